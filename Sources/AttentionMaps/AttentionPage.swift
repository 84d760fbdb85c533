import Foundation
import HeadImpact
import Figures

/// The page that shows the sheets.
struct AttentionPage {
  let text: String
  let subject: String
  /// Of the model and the adapter.
  let model: String
  let prompt: String
  let heads: [AttentionReading.Head]

  var html: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Attention: \(escaped(text))</title>
    <style>
    body{margin:0 auto;max-width:80rem;padding:2rem 1.25rem;font:16px/1.5 system-ui,sans-serif;color:#1b1f23;background:#fff}
    h1{font-size:1.6rem;line-height:1.25;overflow-wrap:anywhere}
    dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}
    dt,.note{color:#59636b}
    dd{margin:0;overflow-wrap:anywhere}
    table{border-collapse:collapse;margin:1.5rem 0;font-variant-numeric:tabular-nums}
    th,td{text-align:right;padding:.3rem 1rem .3rem 0;border-bottom:1px solid #d9dee2}
    th{font-weight:600}
    img{max-width:100%;height:auto;border:1px solid #d9dee2}
    a{color:#075a94}
    </style></head><body>
    <h1>“\(escaped(text))”</h1>
    <dl><dt>picture</dt><dd>\(escaped(subject))</dd><dt>model</dt><dd>\(escaped(model))</dd>\
    <dt>prompt</dt><dd>\(escaped(prompt))</dd></dl>
    \(table)
    <p class="note">Each picture shows one head's attention from a word of the text (the mean of its tokens) to the picture, one block per \
    visual token. The words of a head share one scale; the average has its own. White lines frame the cells that the object covers. All numbers are in <a href="attention.csv">attention.csv</a>.</p>
    \(heads.map(section).joined(separator: "\n"))
    </body></html>

    """
  }

  private var hasMask: Bool { heads.contains { $0.matched != nil } }

  private var table: String {
    let rows = heads.map { read in
      let agreement = read.matched.map { "<td>\(Self.number($0.value))</td><td>\(Self.number($0.chance))</td>" } ?? ""
      return
        "<tr><td><a href=\"#h\(read.head)\">\(read.head)</a></td>\(agreement)<td>\(scoreText(read.highest))</td></tr>"
    }
    return """
      <table><tr><th>head</th>\(hasMask ? "<th>IoU with the mask (matched)</th><th>by chance</th>" : "")\
      <th>highest score</th></tr>
      \(rows.joined(separator: "\n"))
      </table>
      """
  }

  private func section(_ read: AttentionReading.Head) -> String {
    """
    <p id="h\(read.head)"><a href="\(read.head).svg"><img src="\(read.head).svg" alt="Head \(read.head): its attention on the picture, word by word"></a></p>
    """
  }

  /// A share.
  static func number(_ value: Double) -> String { String(format: "%.3f", value) }
}
