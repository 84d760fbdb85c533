import Figures
import IO

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

  private static let style = """
    :root { color-scheme: light dark }
    body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 88rem; padding: 0 1rem }
    h1 { font-size: 1.5rem; margin: 0 }
    p { color: GrayText; margin: .25rem 0 1.5rem }
    main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 36rem), 1fr)) }
    figure { margin: 0 }
    img { border-radius: 4px; display: block; height: auto; max-width: 100% }
    figcaption { margin-top: .4rem }
    small { color: GrayText; display: block }
    """

  var html: String {
    var body = [Element("h1", text: title), summary, Element("main", [:], entries.map(figure))]
    if !skipped.isEmpty {
      body += [
        Element("h2", text: "Can't be shown"), Element("ul", [:], skipped.map { Element("li", text: $0) }),
      ]
    }
    return Element.page(
      title: title, style: Self.style,
      metas: ["generator": DatasetPreview.folder.generator, "color-scheme": "light dark"], body)
  }

  private var summary: Element {
    let panels = model.map { "image, object, and the object's visual tokens of \($0)" } ?? "image and object"
    var nodes: [Element.Node] = [.text("\(entries.count) of \(counted(total, "sample")): \(panels). Contact sheets: ")]
    for (index, sheet) in sheets.enumerated() {
      if index > 0 { nodes.append(.text(", ")) }
      nodes.append(.element(Element("a", ["href": sheet], text: sheet)))
    }
    return Element("p", [:], nodes)
  }

  private func figure(_ entry: Entry) -> Element {
    let picture = Element("img", ["src": entry.file, "alt": entry.description, "loading": "lazy"])
    let caption = Element(
      "figcaption", [:], [.text(entry.description), .element(Element("small", text: entry.detail))])
    return Element("figure", [:], [picture, caption])
  }
}
