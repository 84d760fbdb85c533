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
    #expect(drawing.width < 1100 && drawing.height < 900)
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

  private func trend(_ count: Int) -> Drawing {
    TrendChart(
      points: (0..<count).map {
        .init(index: $0, mean: 0.1 * Double($0), standardError: count > 1 ? 0.02 : .nan, chance: 0.05)
      }, xTitle: "layer", yTitle: "HI", averaged: "heads"
    ).drawing()
  }

  @Test("averages have a point with its bar each, a line from three points on with its band")
  func trends() {
    let drawing = trend(5)
    #expect(count("s0 thin", in: drawing) == 5 && count("<title>layer", in: drawing) == 5)
    #expect(count("s1 curve", in: drawing) == 2)  // the legend's and the line
    #expect(count("f1 band", in: drawing) == 2)
    #expect(count("s1 curve", in: trend(1)) == 0)
    #expect(!Element("g", [:], trend(1).elements).markup.contains("nan"))
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
