import Figures

/// A figure of a page: on the page, as an SVG file that is legible alone, and as a CSV file of its numbers.
public struct Figure: Sendable {
  /// The name of its files and its anchor on the page: lower-case letters, digits and hyphens.
  public let id: String
  public let title: String
  /// What is shown, in which units, for how many samples.
  public let caption: String
  let drawing: Drawing
  public let data: DataTable

  /// The drawing as an element of the page, which has the rules of its parts in its style sheet.
  func inline() -> Element {
    var svg = Element(
      "svg",
      [
        "xmlns": "http://www.w3.org/2000/svg", "class": "fig",
        "viewBox": "0 0 \(drawing.width.attributeText) \(drawing.height.attributeText)",
        "width": drawing.width, "height": drawing.height, "role": "img", "aria-label": title,
      ], drawing.elements)
    // A phone gets it a little smaller, then scrolls it within its box.
    svg.set("style", "min-width:\((drawing.width * 0.8).attributeText)px")
    return svg
  }

  /// A complete SVG file: title, drawing, caption.
  var svg: String {
    let margin = 16.0
    let width = max(drawing.width, 360)
    let lines = wrapped(caption, to: width, size: Theme.Size.tick)
    let titles = wrapped(title, to: width, size: 15)
    let top = margin + Double(titles.count) * 21 + 10
    let captionTop = top + drawing.height + 26
    let height = captionTop + Double(max(0, lines.count - 1)) * Theme.Size.line + margin
    let content =
      titles.enumerated().map { Element.label($1, x: margin, y: margin + 14 + Double($0) * 21, style: "title") }
      + [Element("g", ["transform": "translate(\(margin.attributeText) \(top.attributeText))"], drawing.elements)]
      + lines.enumerated().map { Element.label($1, x: margin, y: captionTop + Double($0) * Theme.Size.line) }
    return Element.svgFile(
      title: title, description: caption, style: Theme.standaloneStyle, class: "fig", width: width + 2 * margin,
      height: height, content)
  }
}
