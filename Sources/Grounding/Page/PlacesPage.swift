import Figures
import HeadImpact
import RunSupport

/// The page on which a person sees what was found: the scores, and the best and the worst expressions with their boxes.
struct PlacesPage {
  struct Entry {
    let expression: GroundedExpression
    /// The file beside the page.
    let picture: String
  }

  /// Of the model and the adapter.
  let model: String
  let dataset: String
  let heads: [Selection.Head]
  let locating: LocatingOptions
  let scores: GroundingScores
  let skips: SkipCounts
  /// The best first.
  let best: [Entry]
  /// The worst first; none where all are among the best.
  let worst: [Entry]
  /// What can't be shown, and why.
  let problems: [String]

  var html: String {
    let title = "Grounding by \(model) on \(dataset)"
    var body = [Element("h1", text: title), facts, table, legend]
    if worst.isEmpty {
      body.append(section("All expressions, the best first", best))
    } else {
      body += [section("The best \(best.count)", best), section("The worst \(worst.count)", worst)]
    }
    if !problems.isEmpty {
      body += [Element("h2", text: "Can’t be shown"), Element("ul", [:], problems.map { Element("li", text: $0) })]
    }
    return Element.page(
      title: title, style: Self.style,
      metas: ["generator": PlacesFolder.kind.generator, "color-scheme": "light dark"], body)
  }

  private var facts: Element {
    let threshold = "threshold \(locating.threshold)" + (locating.sigma > 0 ? ", sigma \(locating.sigma)" : "")
    let count = NumberText.counted(scores.expressions, "expression")
    let skipped = skips.text.map { " (\($0))" } ?? ""
    let nothing = scores.notFound > 0 ? "; nothing was found for \(NumberText.grouped(scores.notFound))" : ""
    return Element(
      "p",
      text: "\(count)\(skipped) of \(NumberText.counted(scores.images, "image"))\(nothing). Heads "
        + "\(heads.map(\.description).joined(separator: ", ")); \(threshold), \(locating.parts.rawValue) "
        + "\(locating.parts == .largest ? "part" : "parts").")
  }

  private var table: Element {
    let heading = Element(
      "tr", [:], ["score", "value", "95% interval", "whole image"].map { Element("th", ["scope": "col"], text: $0) })
    let rows = scores.rows.map { row in
      let interval = [row.score.lower, row.score.upper].compactMap { $0.map { NumberText.number($0) } }
      let cells = [
        NumberText.number(row.score.value), interval.isEmpty ? "" : "[\(interval.joined(separator: ", "))]",
        row.wholeImage.map { NumberText.number($0) } ?? "",
      ]
      return Element(
        "tr", [:],
        [Element("th", ["scope": "row"], text: row.name)] + cells.map { Element("td", text: $0) })
    }
    return Element("table", [:], [Element("thead", [:], [heading]), Element("tbody", [:], rows)])
  }

  private var legend: Element {
    Element(
      "p", ["class": "legend"],
      [
        .element(Element("span", ["class": "key found"])), .text(" the box that was found "),
        .element(Element("span", ["class": "key right"])),
        .text(" the right box. The mask that was found has the photograph’s colours."),
      ])
  }

  private func section(_ title: String, _ entries: [Entry]) -> Element {
    Element("section", [:], [Element("h2", text: title), Element("div", ["class": "places"], entries.map(figure))])
  }

  private func figure(_ entry: Entry) -> Element {
    let found = entry.expression
    let (width, height) = (found.segmentation.size[1], found.segmentation.size[0])
    let picture = Element(
      "img",
      [
        "src": entry.picture, "alt": "What was found for “\(found.expression)”", "loading": "lazy", "width": width,
        "height": height,
      ])
    var boxes = box(found.targetBox, "right")
    if !found.isEmpty { boxes += box(found.bbox, "found") }
    let overlay = Element(
      "svg", ["viewBox": "0 0 \(width) \(height)", "aria-hidden": "true", "preserveAspectRatio": "none"], boxes)
    let agreement =
      found.isEmpty
      ? "nothing found"
      : "IoU \(NumberText.number(found.boxIoU, decimals: 2))"
        + (found.maskIoU.map { ", of masks \(NumberText.number($0, decimals: 2))" } ?? "")
    return Element(
      "figure", [:],
      [
        Element("div", ["class": "stage"], [picture, overlay]),
        Element(
          "figcaption", [:],
          [
            .element(Element("b", text: agreement)), .text(" “\(found.expression)”"),
            .element(Element("small", text: "\(found.fileName), expression \(found.id)")),
          ]),
      ])
  }

  /// A box on a dark line, so that it can be seen on any picture.
  private func box(_ box: [Double], _ name: String) -> [Element] {
    ["halo", name].map {
      Element(
        "rect", ["class": $0, "x": box[0], "y": box[1], "width": box[2], "height": box[3]], [Element.Node]())
    }
  }

  private static let style =
    Theme.variables + """

      :root{--found:#ffd21f;--right:#38d6ff}
      *{box-sizing:border-box}
      body{margin:0 auto;max-width:88rem;padding:1.5rem 1.25rem 4rem;background:var(--paper);color:var(--ink);\
      font:16px/1.5 \(Theme.fonts)}
      h1{margin:0 0 .5rem;font-size:clamp(1.25rem,1rem + 1.6vw,1.9rem);line-height:1.25;overflow-wrap:anywhere}
      h2{margin:2rem 0 .75rem;font-size:1.1rem}
      p{margin:0 0 1rem;max-width:70ch}
      table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:0 0 1rem;font-size:.93rem}
      th,td{padding:.2rem .9rem .2rem 0;text-align:right;font-weight:400;border-bottom:1px solid var(--line)}
      th:first-child{text-align:left}
      thead th{color:var(--muted)}
      td{white-space:nowrap}
      .key{display:inline-block;width:1.6rem;height:1.05rem;vertical-align:-.2rem;border:3px solid;background:#5a5a5a;\
      outline:1px solid #111}
      .key.found{border-color:var(--found)}
      .key.right{border-color:var(--right);border-style:dashed;margin-left:.6rem}
      .places{display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));align-items:start}
      figure{margin:0;min-width:0}
      .stage{position:relative;line-height:0}
      .stage img{width:100%;height:auto;border-radius:3px}
      .stage svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
      rect{fill:none;vector-effect:non-scaling-stroke}
      .halo{stroke:#111;stroke-width:4.5}
      rect.found{stroke:var(--found);stroke-width:2.5}
      rect.right{stroke:var(--right);stroke-width:2.5;stroke-dasharray:7 5}
      figcaption{margin-top:.35rem;font-size:.93rem;overflow-wrap:anywhere}
      small{display:block;color:var(--muted)}
      @media (max-width:40rem){body{padding:1rem .9rem 3rem}table{font-size:.85rem}th,td{padding-right:.4rem}}
      @media print{figure{break-inside:avoid}}
      """
}
