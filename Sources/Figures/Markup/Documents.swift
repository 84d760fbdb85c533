extension Element {
  /// A whole page of HTML.
  ///
  /// - Parameters:
  ///   - style: the page's style sheet.
  ///   - metas: of the head, besides the encoding and the width of a phone's screen: names and contents.
  public static func page(
    title: String, style: String, metas: KeyValuePairs<String, String> = [:], _ body: [Element]
  ) -> String {
    let names = metas.map { Element("meta", ["name": $0.key, "content": $0.value]) }
    let head = Element(
      "head", [:],
      [
        .element(Element("meta", ["charset": "utf-8"])),
        .element(Element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])),
      ] + names.map { .element($0) } + [
        .element(Element("title", text: title)), .element(Element("style", [:], [.verbatim(style)])),
      ])
    return "<!doctype html>\n" + Element("html", ["lang": "en"], [head, Element("body", [:], body)]).markup + "\n"
  }

  /// A whole SVG file, on a background of the class `paper`.
  ///
  /// - Parameters:
  ///   - description: alternative text; nil if the title is enough.
  ///   - style: the rules of its classes.
  ///   - width: in pixels; so too the height.
  public static func svgFile(
    title: String, description: String? = nil, style: String, class name: String, width: Double, height: Double,
    _ content: [Element]
  ) -> String {
    let whole = Element(
      "svg",
      [
        "xmlns": "http://www.w3.org/2000/svg", "class": name, "width": width, "height": height,
        "viewBox": "0 0 \(width.attributeText) \(height.attributeText)",
      ],
      [.element(Element("title", text: title))]
        + (description.map { [.element(Element("desc", text: $0))] } ?? [])
        + [
          .element(Element("style", [:], [.verbatim(style)])),
          .element(Element("rect", ["width": width, "height": height, "class": "paper"])),
        ] + content.map { .element($0) })
    return #"<?xml version="1.0" encoding="UTF-8"?>"# + "\n" + whole.markup
  }
}
