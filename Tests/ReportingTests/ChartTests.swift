import Figures
import Testing

@testable import Reporting

@Suite("Charts")
struct ChartTests {
  private func count(_ part: String, in drawing: Drawing) -> Int {
    Element("g", [:], drawing.elements).markup.components(separatedBy: part).count - 1
  }

  private func heatMap(_ rows: Int, _ columns: Int, marked: Int = 3) -> Drawing {
    let values = (0..<(rows * columns)).map { Double($0) / Double(rows * columns) }
    return HeatMap(
      rows: rows, columns: columns, values: values, scale: .sequential(values), valueTitle: "HI",
      marked: (0..<marked).map { (row: 0, column: $0) }
    ) { "\($0).\($1): \($2)" }.drawing()
  }

  @Test(
    "a heat map has a cell with its note for every head, and rings round the marked ones",
    arguments: [(1, 1), (8, 8), (28, 12), (80, 64)])
  func heatMapCells(rows: Int, columns: Int) {
    let marked = min(3, columns)
    let drawing = heatMap(rows, columns, marked: marked)
    #expect(count("<title>", in: drawing) == rows * columns)
    #expect(count("ring-in", in: drawing) == marked)
    #expect(drawing.width <= Theme.Size.column + 2 && drawing.height < 900)
  }

  @Test("a heat map fits a phone, with its rows' means beside it", arguments: [(1, 1), (8, 8), (28, 12), (80, 64)])
  func narrowHeatMap(rows: Int, columns: Int) {
    let values = (0..<(rows * columns)).map { Double($0) / Double(rows * columns) }
    let drawing = HeatMap(
      rows: rows, columns: columns, values: values, scale: .diverging(values), valueTitle: "corrected HI",
      rowMeans: (0..<rows).map { .init(value: Double($0), low: .nan, high: .nan, note: "mean \($0)") },
      width: Theme.Size.phone
    ) { "\($0).\($1): \($2)" }.drawing()
    #expect(drawing.width <= Theme.Size.phone + 2)
    #expect(count("<title>mean", in: drawing) == rows)
  }

  @Test("cells have a dot or a dash where they are marked, except framed ones")
  func marks() {
    let drawing = HeatMap(
      rows: 1, columns: 4, values: [1, 1, 1, -1], scale: .diverging([1, -1]), valueTitle: "HI",
      marked: [(row: 0, column: 0)], marks: [.dot, .dot, nil, .dash]
    ) { _, _, _ in "" }.drawing()
    #expect(count("<circle", in: drawing) == 1)
    #expect(count("mark-on-dark", in: drawing) == 2)
  }

  @Test("ranks are written into marked cells only where they have room")
  func ranks() {
    #expect(count(">3</text>", in: heatMap(8, 2, marked: 0)) == 1)  // a layer's label
    #expect(count("on-light", in: heatMap(8, 8)) + count("on-dark", in: heatMap(8, 8)) == 3)
    #expect(count("on-light", in: heatMap(80, 64)) + count("on-dark", in: heatMap(80, 64)) == 0)
  }

  @Test("a value that is not finite gets no colour")
  func missing() {
    let drawing = HeatMap(
      rows: 1, columns: 2, values: [.nan, 1], scale: .sequential([1]), valueTitle: "HI"
    ) { _, _, _ in "" }.drawing()
    #expect(count("class=\"none\"", in: drawing) == 1)
  }

  private func trend(_ count: Int, hasFit: Bool = true) -> Drawing {
    TrendChart(
      points: (0..<count).map {
        .init(
          index: $0, mean: 0.1 * Double($0), standardError: count > 1 ? 0.02 : .nan,
          heads: [.init(value: 0.1, isFull: true, note: "head"), .init(value: 0, isFull: false, note: "head")])
      }, xTitle: "layer", yTitle: "HI", averaged: "heads", fullDots: "beyond chance", hasFit: hasFit
    ).drawing()
  }

  @Test("a layer has its heads as dots and its mean, and the line through the means is there only when asked for")
  func trends() {
    let drawing = trend(5)
    #expect(count("<title>mean of layer", in: drawing) == 5 && count("<title>head", in: drawing) == 10)
    #expect(count("f0 soft", in: drawing) == 5)
    #expect(count("s2 curve", in: drawing) == 2)  // the legend's and the line
    #expect(count("f2 band", in: drawing) == 1)
    #expect(count("s2 curve", in: trend(5, hasFit: false)) == 0)
    #expect(count("s2 curve", in: trend(1)) == 0)
    #expect(!Element("g", [:], trend(1).elements).markup.contains("nan"))
  }

  @Test("small multiples have a row for each arm in every panel, and fit a phone", arguments: [860.0, 350])
  func panels(width: Double) {
    func metric(_ title: String) -> IntervalPanel.Metric {
      .init(
        title: title, subtitle: "", style: 1,
        values: [.init(value: 1, low: 0.5, high: 1.5, single: [0.9, 1.1], note: "top"), nil])
    }
    let drawing = IntervalPanel(
      rows: ["top", "bottom"],
      groups: [
        .init(title: "captions", metrics: [metric("a"), metric("b")]), .init(title: "", metrics: [metric("c")]),
      ], width: width
    ).drawing()
    #expect(drawing.width <= width)
    #expect(count("<title>top", in: drawing) == 3 && count(">bottom</text>", in: drawing) == 2)
    #expect(count("s1 thin", in: drawing) == 6)
  }

  @Test("a curve with bounds has a band")
  func bands() {
    let drawing = LineChart(
      series: [.init(name: "a", points: [(0, 1), (1, 2)], style: 0, bounds: [(0.5, 1.5), (1, 3)])], xTitle: "x",
      yTitle: "y"
    ).drawing()
    #expect(count("f0 band", in: drawing) == 1)
  }

  @Test("no chart writes a coordinate that is not a number", arguments: [[0.5], [0.5, .nan], []])
  func noNaN(values: [Double]) {
    let line = LineChart(
      series: [.init(name: "a", points: values.enumerated().map { (Double($0), $1) }, style: 0)], xTitle: "x",
      yTitle: "y"
    ).drawing()
    let interval = IntervalChart(
      rows: values.map { .init(name: "a", value: $0, low: .nan, high: .nan) }, xTitle: "x"
    ).drawing()
    for drawing in [line, interval] {
      #expect(!Element("g", [:], drawing.elements).markup.contains("nan"))
    }
  }

  @Test("long curves are thinned to the means of neighbours")
  func thinning() {
    let points = (0..<10_000).map { (x: Double($0), y: Double($0 % 2)) }
    let thinned = LineChart.thinned(.init(name: "a", points: points, style: 0))
    #expect(thinned.points.count <= LineChart.mostPoints)
    #expect(thinned.points.allSatisfy { abs($0.y - 0.5) < 0.03 })
  }

  @Test("a legend breaks into rows that fit its width")
  func legend() {
    let items: [(mark: Legend.Mark, text: String)] = (0..<6).map { (.line(series: $0), "a rather long name \($0)") }
    #expect(Legend(items: items, width: 2000).height < Legend(items: items, width: 300).height)
    #expect(Legend(items: [], width: 300).height == 0)
  }
}
