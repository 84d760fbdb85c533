import Figures
import Foundation
import HeadImpact

/// The page on which a person looks at heads and words: everything in one file, and a list of the others.
struct AttentionPage {
  let text: String
  /// Whether the model said it.
  let isGenerated: Bool
  let subject: String
  /// Of the model and the adapter.
  let model: String
  /// The text of a system's turn, if there was one.
  let system: String?
  let prompt: String
  let query: HeadImpactOptions.Query
  let data: PageData
  let heads: [AttentionReading.Head]
  /// PNG.
  let photograph: [UInt8]

  func html() throws -> String {
    let metas: KeyValuePairs = [
      "generator": AttendConfiguration.folder.generator, "color-scheme": "light dark",
    ]
    return Element.page(
      title: "Attention: \(shortened(text, to: 80))", style: AttentionPageStyle.sheet, metas: metas,
      [
        Element("header", [:], [Element("h1", text: "“\(text)”"), facts]),
        Element("main", [:], [viewer, overview, files]),
        Element("script", ["type": "application/json", "id": "data"], [.verbatim(try data.json())]),
        Element("script", [:], [.verbatim(AttentionScript.text)]),
      ])
  }

  private var facts: Element {
    let row = query == .token ? "each token's own row" : "the row that predicts each token"
    let all =
      [("picture", subject), ("model", model)] + (system.map { [("system", $0)] } ?? [])
      + [("prompt", prompt), ("text", isGenerated ? "the model's own answer" : "given"), ("attention", "from " + row)]
    return Element("dl", ["class": "facts"], all.flatMap { [Element("dt", text: $0.0), Element("dd", text: $0.1)] })
  }

  private var viewer: Element {
    let image = Element(
      "img",
      [
        "id": "photograph", "alt": "The picture: \(subject)",
        "src": "data:image/png;base64," + Data(photograph).base64EncodedString(),
      ])
    let stage = Element(
      "div",
      [
        "id": "stage", "tabindex": "0", "role": "group",
        "aria-label": "The picture under the attention. Arrow keys go from visual token to visual token.",
      ], [image, Element("canvas", ["id": "map"])])
    let scale = Element(
      "div", ["class": "scale"], [Element("canvas", ["id": "colours"]), Element("p", ["id": "ticks"])])
    let picture = Element(
      "div", ["class": "picture"],
      [
        Element("p", ["id": "shown", "aria-live": "polite"]), stage,
        Element("p", ["id": "value", "aria-live": "polite"]),
        scale,
      ])
    let controls = Element(
      "div", ["class": "controls"],
      [
        Element("h2", ["id": "words-title"], text: "Word"),
        Element("div", ["id": "words", "role": "group", "aria-labelledby": "words-title"]),
        option("tokens", "Token by token"), Element("h2", ["id": "heads-title"], text: "Head"),
        Element("div", ["id": "heads", "role": "group", "aria-labelledby": "heads-title"]),
        Element("h2", text: "Show"),
        choice(
          "scale", "The strongest colour is the highest attention",
          [("head", "of this head"), ("map", "of this picture"), ("all", "of all heads")]),
        choice("part", "Visual tokens", data.parts.indices.map { ("\($0)", data.parts[$0].name) }),
        option("grey", "The photograph in grey"), option("outline", "The object's cells, framed"),
        Element("h2", ["id": "pieces-title"], text: "This head, word by word"),
        Element("div", ["id": "pieces", "class": "tiles", "role": "group", "aria-labelledby": "pieces-title"]),
      ])
    return Element("section", ["class": "viewer", "aria-label": "One head and one word"], [picture, controls])
  }

  private func option(_ id: String, _ words: String) -> Element {
    Element(
      "label", ["class": "option", "for": id],
      [.element(Element("input", ["type": "checkbox", "id": id])), .text(" " + words)])
  }

  private func choice(_ id: String, _ words: String, _ choices: [(value: String, words: String)]) -> Element {
    let options = choices.map { Element("option", ["value": $0.value], text: $0.words) }
    return Element(
      "label", ["class": "option", "for": id, "id": "\(id)-option"],
      [.text(words + " "), .element(Element("select", ["id": id], options))])
  }

  private var overview: Element {
    Element(
      "section", [:],
      [
        Element("h2", ["id": "all-title"], text: "All heads of this picture"),
        Element("p", ["id": "all-note", "class": "note"]),
        Element("div", ["id": "all", "role": "group", "aria-labelledby": "all-title"]),
      ])
  }

  private var files: Element {
    let sheets = heads.map { read in
      let link = Element("a", ["href": "\(read.head).svg"], text: "\(read.head)")
      guard let matched = read.matched else { return Element("li", [:], [link]) }
      let agreement =
        ": IoU with the mask (matched) \(NumberText.plain(matched.value, decimals: 3)), by chance "
        + NumberText.plain(matched.chance, decimals: 3)
      return Element("li", [:], [.element(link), .text(agreement)])
    }
    return Element(
      "section", ["id": "files"],
      [
        Element("h2", text: "Files"),
        Element(
          "p", [:],
          [
            .text("All numbers are in "), .element(Element("a", ["href": "attention.csv"], text: "attention.csv")),
            .text(". A sheet of each chosen head, word by word:"),
          ]), Element("ul", [:], sheets),
        Element("noscript", [:], [Element("p", text: "The pictures above need JavaScript; the sheets don't.")]),
      ])
  }
}
