import Figures

extension Page {
  /// The page: one file that needs nothing but the folder it is in.
  var html: String {
    Element.page(
      title: title, style: PageStyle.sheet, metas: ["generator": generator, "color-scheme": "light dark"],
      [
        Element("a", ["class": "skip", "href": "#content"], text: "Skip to the report"), header,
        Element("div", ["class": "columns"], [contents, main]), Element("footer", [:], [prose(footer)]),
        Element("script", [:], [.verbatim(PageScript.text)]),
      ])
  }

  private var header: Element {
    Element(
      "header", [:],
      [Element("p", ["class": "kind"], text: kind), Element("h1", text: title)]
        + summary.map { Element("p", ["class": "summary"], text: $0) })
  }

  private var contents: Element {
    let links = sections.map { section in
      Element("li", [:], [Element("a", ["href": "#" + section.id], text: section.title)])
    }
    return Element(
      "nav", ["aria-labelledby": "contents"],
      [Element("h2", ["id": "contents"], text: "Contents"), Element("ol", [:], links)])
  }

  private var main: Element {
    Element(
      "main", ["id": "content"],
      sections.map { section in
        Element(
          "section", ["id": section.id, "aria-labelledby": section.id + "-title"],
          [Element("h2", ["id": section.id + "-title"], text: section.title)] + section.blocks.map(\.element))
      })
  }
}

extension Block {
  fileprivate var element: Element {
    switch self {
    case .paragraph(let text): prose(text)
    case .figure(let figure): figure.element
    case .gallery(let figures): Element("div", ["class": "gallery"], figures.map(\.element))
    case .table(let table): table.element
    case .pictures(let pictures): pictures.element
    case .code(let text): scroll(Element("pre", [:], [Element("code", text: text)]), named: "Text")
    }
  }
}

private func prose(_ text: String) -> Element { Element("p", [:], [.text(text)]) }

/// A scrolling box for content that may be wider than the screen; it reacts to the arrow keys.
private func scroll(_ elements: Element..., named name: String) -> Element {
  scroll(elements, named: name)
}

private func scroll(_ elements: [Element], named name: String) -> Element {
  Element("div", ["class": "scroll", "tabindex": "0", "role": "group", "aria-label": name], elements)
}

private func files(_ links: [(path: String, text: String)]) -> Element {
  Element("p", ["class": "files"], links.map { Element("a", ["href": $0.path], text: $0.text) })
}

extension Figure {
  fileprivate var element: Element {
    Element(
      "figure", ["id": id],
      [
        Element("h3", text: title), scroll(inline(), named: title),
        Element(
          "figcaption", [:],
          [prose(caption), files([("figures/\(id).svg", "SVG"), ("data/\(id).csv", "CSV")])]),
      ])
  }
}

extension Table {
  fileprivate var element: Element {
    // Columns of short words, which stay on one line.
    let short = Set(
      data.columns.indices.filter { column in
        isText(column)
          && data.rows.prefix(mostRows).allSatisfy { data.shown($0[column], in: data.columns[column]).count <= 13 }
      })
    let head = Element(
      "tr", [:],
      data.columns.enumerated().map { index, column in
        var heading = Element(
          "th", ["scope": "col", "aria-sort": "none", "class": name(index, isText: isText(index), short)],
          [Element("button", ["type": "button"], text: column.heading.replacing("-", with: "\u{2011}"))])
        if isText(index) { heading.set("style", "min-width:\(longestWord(index) + 3)ch") }
        return heading
      })
    let rows = data.rows.prefix(mostRows).map { row in
      Element("tr", [:], row.enumerated().map { cell($0, $1, short) })
    }
    let table = Element(
      "table", [:], [Element("thead", [:], [head]), Element("tbody", [:], rows)])
    let more =
      data.rows.count > mostRows
      ? " The first \(NumberText.grouped(mostRows)) of \(NumberText.grouped(data.rows.count)) rows are shown; the file has them all."
      : ""
    return Element(
      "figure", ["id": id, "class": "table"],
      [
        Element("figcaption", [:], [prose(caption + more), files([("data/\(id).csv", "CSV")])]),
        scroll(table, named: caption),
      ])
  }

  private func isText(_ column: Int) -> Bool { data.rows.first.map { $0[column].isText } ?? true }

  /// Words don't break, except digests, which break anywhere.
  private func longestWord(_ column: Int) -> Int {
    let words = data.rows.prefix(mostRows).flatMap { row in
      data.shown(row[column], in: data.columns[column]).split(separator: " ").map(\.count)
    }
    return min(words.max() ?? 0, 20)
  }

  private func cell(_ index: Int, _ value: DataTable.Value, _ short: Set<Int>) -> Element {
    let text = data.shown(value, in: data.columns[index])
    let name = name(index, isText: value.isText, short)
    switch value {
    case .text: return Element("td", ["class": name], text: text)
    // What is sorted by: the number itself, not its rounded form.
    case .integer(let integer): return Element("td", ["class": name, "data-value": integer], text: text)
    case .number(let number):
      return Element("td", ["class": name, "data-value": number.isFinite ? "\(number)" : ""], text: text)
    }
  }

  private func name(_ index: Int, isText: Bool, _ short: Set<Int>) -> String {
    (isText ? short.contains(index) ? "text short" : "text" : "number")
      + (data.columns[index].isExtra ? " extra" : "")
  }
}

extension Pictures.Picture.File {
  /// The picture, which leads to the large one if there is one.
  fileprivate var element: Element {
    let image = Element(
      "img", ["src": "pictures/\(name)", "width": width, "height": height, "alt": description])
    return large.map { Element("a", ["href": "pictures/\($0.name)"], [image]) } ?? image
  }
}

extension Pictures {
  /// More than two files side by side.
  private var hasMany: Bool { pictures.contains { $0.files.count > 2 } }

  fileprivate var element: Element {
    let items = pictures.map { picture in
      Element(
        "li", [:],
        [
          Element(
            "div", ["class": "pair"],
            picture.files.map(\.element))
        ] + picture.lines.map { prose($0) })
    }
    return Element(
      "figure", ["id": id],
      [
        Element("h3", text: title), Element("ul", ["class": hasMany ? "pictures wide" : "pictures"], items),
        Element("figcaption", [:], [prose(caption), files([("data/\(id).csv", "CSV")])]),
      ])
  }
}
