/// What a chart draws: its size and its parts.
///
/// - Units: pixels.
public struct Drawing: Sendable {
  public let width: Double
  public let height: Double
  public let elements: [Element]

  public init(width: Double, height: Double, elements: [Element]) {
    self.width = width
    self.height = height
    self.elements = elements
  }
}

extension Element {
  /// A class and an anchor for every text, so that no figure chooses its own type.
  public static func label(
    _ text: String, x: Double, y: Double, anchor: String = "start", style: String = "muted"
  ) -> Element {
    Element("text", ["x": x, "y": y, "text-anchor": anchor, "class": style], text: text)
  }

  public static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String) -> Element {
    Element("line", ["x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style])
  }

  /// The attribute `d` of a path through points.
  public static func pathData(_ points: [(x: Double, y: Double)], closed: Bool = false) -> String {
    let steps = points.enumerated().map { index, point in
      "\(index == 0 ? "M" : "L")\(point.x.attributeText) \(point.y.attributeText)"
    }
    return steps.joined() + (closed ? "Z" : "")
  }
}

/// The frame of a chart with two axes of numbers.
public struct Plot: Sendable {
  public let x: Axis
  public let y: Axis

  public init(x: Axis, y: Axis) {
    self.x = x
    self.y = y
  }

  /// Grid lines, labels of both axes and their titles; the vertical axis's title lies flat above it.
  public func frame(xTitle: String, yTitle: String) -> [Element] {
    let (left, right) = x.pixels
    let (bottom, top) = y.pixels
    var parts: [Element] = []
    for tick in y.ticks.values {
      parts.append(Element.line(left, y(tick), right, y(tick), style: "grid"))
      parts.append(Element.label(y.ticks.label(tick), x: left - 8, y: y(tick) + 4, anchor: "end"))
    }
    parts.append(Element.line(left, bottom, right, bottom, style: "axis"))
    for tick in x.ticks.values {
      parts.append(Element.line(x(tick), bottom, x(tick), bottom + 4, style: "axis"))
      parts.append(Element.label(x.ticks.label(tick), x: x(tick), y: bottom + 18, anchor: "middle"))
    }
    parts.append(Element.label(xTitle, x: (left + right) / 2, y: bottom + 38, anchor: "middle", style: "label"))
    parts.append(Element.label(yTitle, x: 0, y: top - 16, style: "label"))
    return parts
  }

  /// Below the frame's bottom: the labels and the title of the horizontal axis.
  public static let footer = 44.0
  /// Above its top: the title of the vertical axis.
  public static let header = 34.0

  /// How far the frame is from the left edge, for these labels.
  public static func margin(_ ticks: Ticks) -> Double {
    (ticks.values.map { textWidth(ticks.label($0), size: Theme.Size.tick) }.max() ?? 0).rounded(.up) + 10
  }
}

/// What the marks of a chart mean, in rows that fit its width.
public struct Legend: Sendable {
  public enum Mark: Sendable {
    case line(series: Int)
    /// In a series' colour with the dashes of another.
    case dashed(series: Int, dash: Int)
    case dot(series: Int)
    case hollow(series: Int)
    case band(series: Int)
    case guide
  }

  public let items: [(mark: Mark, text: String)]
  public let width: Double

  public init(items: [(mark: Mark, text: String)], width: Double) {
    self.items = items
    self.width = width
  }

  private static let markWidth = 24.0
  private static let gap = 18.0

  /// Each item's place: x, and the row.
  private var places: [(x: Double, row: Int)] {
    var places: [(x: Double, row: Int)] = []
    var (x, row) = (0.0, 0)
    for item in items {
      let needed = Self.markWidth + 6 + textWidth(item.text, size: Theme.Size.tick)
      if x > 0, x + needed > width { (x, row) = (0, row + 1) }
      places.append((x: x, row: row))
      x += needed + Self.gap
    }
    return places
  }

  /// - Units: pixels.
  public var height: Double { items.isEmpty ? 0 : Double((places.last?.row ?? 0) + 1) * Theme.Size.line + 8 }

  public func elements() -> [Element] {
    zip(items, places).flatMap { item, place -> [Element] in
      let y = Double(place.row) * Theme.Size.line + 9
      let middle = place.x + Self.markWidth / 2
      let end = place.x + Self.markWidth
      let mark: Element =
        switch item.mark {
        case .line(let series): Self.line(place.x, end, y: y, series: series, dash: series)
        case .dashed(let series, let dash): Self.line(place.x, end, y: y, series: series, dash: dash)
        case .dot(let series): Element("circle", ["cx": middle, "cy": y, "r": 4, "class": "f\(series)"])
        case .hollow(let series):
          Element("circle", ["cx": middle, "cy": y, "r": 3.5, "class": "s\(series) curve"])
        case .band(let series):
          Element(
            "rect", ["x": place.x, "y": y - 6, "width": Self.markWidth, "height": 12, "class": "f\(series) band"])
        case .guide: Element.line(place.x, y, end, y, style: "guide")
        }
      return [mark, Element.label(item.text, x: end + 6, y: y + 4)]
    }
  }

  private static func line(_ from: Double, _ to: Double, y: Double, series: Int, dash: Int) -> Element {
    Element(
      "line",
      [
        "x1": from, "y1": y, "x2": to, "y2": y, "class": "s\(series) curve",
        "stroke-dasharray": Theme.dashes[dash % Theme.dashes.count],
      ])
  }
}
