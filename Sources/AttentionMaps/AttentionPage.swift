import Figures
import HeadImpact

/// The page that shows the sheets.
struct AttentionPage {
  let text: String
  let subject: String
  /// Of the model and the adapter.
  let model: String
  /// The text of a system's turn, if there was one.
  let system: String?
  let prompt: String
  let heads: [AttentionReading.Head]
  /// Whether the model is shown tiles and the whole image.
  let showsParts: Bool

  private static let style = """
    body{margin:0 auto;max-width:80rem;padding:2rem 1.25rem;font:16px/1.5 system-ui,sans-serif;color:\(Theme.light.ink);\
    background:\(Theme.light.paper)}
    h1{font-size:1.6rem;line-height:1.25;overflow-wrap:anywhere}
    dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}
    dt,.note{color:\(Theme.light.muted)}
    dd{margin:0;overflow-wrap:anywhere}
    table{border-collapse:collapse;margin:1.5rem 0;font-variant-numeric:tabular-nums}
    th,td{text-align:right;padding:.3rem 1rem .3rem 0;border-bottom:1px solid \(Theme.light.line)}
    th{font-weight:600}
    img{max-width:100%;height:auto;border:1px solid \(Theme.light.line)}
    a{color:\(Theme.light.link)}
    """

  var html: String {
    let facts =
      [("picture", subject), ("model", model)] + (system.map { [("system", $0)] } ?? []) + [("prompt", prompt)]
    return Element.page(
      title: "Attention: \(text)", style: Self.style,
      [
        Element("h1", text: "“\(text)”"),
        Element("dl", [:], facts.flatMap { [Element("dt", text: $0.0), Element("dd", text: $0.1)] }), table, note,
      ] + heads.map(picture))
  }

  private static let parts =
    "The model is shown the picture in tiles and once more as a whole: the two are drawn beside each other, the tiles in their "
    + "places, on the same scale. "

  private var hasMask: Bool { heads.contains { $0.matched != nil } }

  private var note: Element {
    Element(
      "p", ["class": "note"],
      [
        .text(
          "Each picture shows one head's attention from a word of the text (the mean of its tokens) to the picture, one block "
            + "per visual token. The words of a head share one scale; the average has its own. White lines frame the cells that "
            + "the object covers. " + (showsParts ? Self.parts : "") + "All numbers are in "),
        .element(Element("a", ["href": "attention.csv"], text: "attention.csv")), .text("."),
      ])
  }

  private var table: Element {
    let columns = ["head"] + (hasMask ? ["IoU with the mask (matched)", "by chance"] : []) + ["highest score"]
    let rows = heads.map { read in
      let agreement = read.matched.map {
        [NumberText.plain($0.value, decimals: 3), NumberText.plain($0.chance, decimals: 3)]
      }
      let texts = (agreement ?? []) + [NumberText.significant(Double(read.highest))]
      let link = Element("a", ["href": "#h\(read.head)"], text: "\(read.head)")
      return Element("tr", [:], [Element("td", [:], [link])] + texts.map { Element("td", text: $0) })
    }
    return Element("table", [:], [Element("tr", [:], columns.map { Element("th", text: $0) })] + rows)
  }

  private func picture(_ read: AttentionReading.Head) -> Element {
    let sheet = Element(
      "img",
      ["src": "\(read.head).svg", "alt": "Head \(read.head): its attention on the picture, word by word"])
    return Element("p", ["id": "h\(read.head)"], [Element("a", ["href": "\(read.head).svg"], [sheet])])
  }
}
