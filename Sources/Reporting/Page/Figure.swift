import Figures

/// A figure of a page: on the page, as an SVG file that is legible alone, and as a CSV file of its numbers.
public struct Figure: Sendable {
  /// The name of its files and its anchor on the page: lower-case letters, digits and hyphens.
  public let id: String
  public let title: String
  /// What is shown, in which units, for how many samples.
  public let caption: String
  let drawing: Drawing
  /// For a phone; nil if the drawing is good for both.
  let narrow: Drawing?
  public let data: DataTable

  /// A figure with one drawing for every screen, which a phone shows smaller.
  public init(id: String, title: String, caption: String, drawing: Drawing, data: DataTable) {
    (self.id, self.title, self.caption, self.data) = (id, title, caption, data)
    (self.drawing, narrow) = (drawing, nil)
  }

  /// A figure that is laid out for a desktop and again for a phone.
  ///
  /// - Parameters:
  ///   - room: the width that there is on a desktop. - Units: pixels.
  ///   - draw: receives the width that there is, in pixels.
  public init(
    id: String, title: String, caption: String, data: DataTable, room: Double = Theme.Size.column,
    draw: (_ width: Double) -> Drawing
  ) {
    (self.id, self.title, self.caption, self.data) = (id, title, caption, data)
    drawing = draw(room)
    narrow = drawing.width > Theme.Size.phone ? draw(Theme.Size.phone) : nil
  }

  /// The drawings as elements of the page, which has the rules of their parts in its style sheet and shows one of them.
  func inline() -> [Element] {
    guard let narrow else { return [svg(of: drawing, class: "fig")] }
    return [svg(of: drawing, class: "fig wide"), svg(of: narrow, class: "fig narrow")]
  }

  private func svg(of drawing: Drawing, class name: String) -> Element {
    Element(
      "svg",
      [
        "xmlns": "http://www.w3.org/2000/svg", "class": name,
        "viewBox": "0 0 \(drawing.width.attributeText) \(drawing.height.attributeText)",
        "width": drawing.width, "height": drawing.height, "role": "img", "aria-label": title,
      ], drawing.elements)
  }

  /// A complete SVG file: title, drawing, caption.
  var svg: String {
    let margin = 16.0
    let width = max(drawing.width, 360)
    let lines = wrapped(caption, to: width, size: Theme.Size.tick)
    let titles = wrapped(title, to: width, size: 17)
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
