import Figures

/// The page of a preview: every sample with its description, from pictures beside it.
struct PreviewPage {
  struct Entry {
    let file: String
    let description: String
    let detail: String
  }

  let title: String
  let entries: [Entry]
  let sheets: [String]
  /// Samples of the dataset.
  let total: Int
  let model: String?
  let skipped: [String]

  var html: String {
    let panels = model.map { "image, object, and the object's visual tokens of \($0)" } ?? "image and object"
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(title))</title>
      <style>
      :root { color-scheme: light dark }
      body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 88rem; padding: 0 1rem }
      h1 { font-size: 1.5rem; margin: 0 }
      p { color: GrayText; margin: .25rem 0 1.5rem }
      main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 36rem), 1fr)) }
      figure { margin: 0 }
      img { border-radius: 4px; display: block; height: auto; max-width: 100% }
      figcaption { margin-top: .4rem }
      small { color: GrayText; display: block }
      </style>
      </head>
      <body>
      <h1>\(escaped(title))</h1>
      <p>\(entries.count) of \(total) samples: \(escaped(panels)). Contact sheets: \(links)</p>
      <main>
      \(entries.map(figure).joined(separator: "\n"))
      </main>
      \(skippedList)</body>
      </html>

      """
  }

  private var links: String { sheets.map { "<a href=\"\($0)\">\($0)</a>" }.joined(separator: ", ") }

  private func figure(_ entry: Entry) -> String {
    let text = escaped(entry.description)
    return """
      <figure><img src="\(entry.file)" alt="\(text)" loading="lazy">\
      <figcaption>\(text)<small>\(escaped(entry.detail))</small></figcaption></figure>
      """
  }

  private var skippedList: String {
    if skipped.isEmpty { return "" }
    let items = skipped.map { "<li>\(escaped($0))</li>" }.joined(separator: "\n")
    return "<h2>Can't be shown</h2>\n<ul>\n\(items)\n</ul>\n"
  }
}
