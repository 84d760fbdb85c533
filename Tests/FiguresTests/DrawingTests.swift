import Foundation
import Testing

@testable import Figures

@Suite("Scales of colours")
struct ColourScaleTests {
  @Test("a scale of zeros, and one of nothing finite, still has a range")
  func degenerate() {
    #expect(ColourScale.sequential([0, 0]).domain == 0...1)
    #expect(ColourScale.diverging([.nan]).domain == -1...1)
    #expect(ColourScale.sequential([1]).oklab(.nan) == nil)
  }
}

@Suite("Axes")
struct AxisTests {
  @Test(
    "ticks are round numbers within the range, with the decimals they need",
    arguments: [
      (0.0, 1.0, 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]), (0, 0.03, 3, ["0.00", "0.01", "0.02", "0.03"]),
      (-1, 1, 4, ["−1.0", "−0.5", "0.0", "0.5", "1.0"]), (3, 41, 4, ["10", "20", "30", "40"]),
      (0, 6e-5, 3, ["0.00000", "0.00002", "0.00004", "0.00006"]),
    ])
  func ticks(lower: Double, upper: Double, count: Int, labels: [String]) {
    let ticks = Ticks(lower, upper, about: count)
    #expect(ticks.values.map(ticks.label) == labels)
  }

  @Test("labels of places are as far apart as they need")
  func places() {
    #expect(Ticks(places: 5, spacing: 30, room: 20).values == [0, 1, 2, 3, 4])
    #expect(Ticks(places: 12, spacing: 10, room: 20).values == [0, 2, 4, 6, 8, 10])
    #expect(Ticks(places: 64, spacing: 9, room: 24).values == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60])
  }

  @Test("a logarithmic axis has 1, 2, 5 and equal ratios")
  func logarithmic() {
    let ticks = Ticks(logarithmic: 1, 300)
    #expect(ticks.values == [1, 2, 5, 10, 20, 50, 100, 200])
    let axis = Axis(domain: 1...100, pixels: (0, 100), ticks: ticks, isLogarithmic: true)
    #expect(abs(axis(10) - 50) < 1e-9)
  }

  @Test("an axis holds its values, also where all are equal or none is a number")
  func ranges() {
    for values in [[0.12, 0.57], [3, 3], [0, 0], [-1e-4, 2e-4], [1e6, 3e6], [.nan, 0.4], [.nan]] {
      let axis = Axis(values, pixels: (100, 0))
      #expect(axis.domain.lowerBound < axis.domain.upperBound, "\(values)")
      #expect(values.allSatisfy { $0.isNaN || axis.domain.contains($0) }, "\(values): \(axis.domain)")
      #expect((2...12).contains(axis.ticks.values.count), "\(values): \(axis.ticks.values)")
    }
  }
}

@Suite("Text of figures and pages")
struct TextTests {
  @Test("numbers have a true minus, and no sign where they round to zero")
  func numbers() {
    #expect(
      NumberText.number(-0.25, decimals: 2) == "−0.25" && NumberText.number(-0.0001) == "0.000"
        && NumberText.number(.nan) == "–")
    #expect(
      NumberText.signed(0.25, decimals: 2) == "+0.25" && NumberText.signed(0.0001) == "0.000"
        && NumberText.signed(-1, decimals: 0) == "−1")
    #expect(NumberText.grouped(1_234_567) == "1\u{202f}234\u{202f}567" && NumberText.grouped(999) == "999")
    #expect(listed(["a"]) == "a" && listed(["a", "b", "c"]) == "a, b and c")
  }

  @Test("where only ASCII is sure to be shown, numbers are plain")
  func plain() {
    #expect(NumberText.plain(0.25) == "0.2500" && NumberText.plain(-0.25, decimals: 1) == "-0.2")
    #expect(NumberText.plainSigned(0.25, decimals: 3) == "+0.250" && NumberText.plainSigned(-1, decimals: 0) == "-1")
    #expect(NumberText.significant(0.0123456) == "0.0123" && NumberText.significant(0) == "0")
    #expect(shortened("abcdef", to: 6) == "abcdef" && shortened("abcdefg", to: 6) == "abcde…")
  }

  @Test("a text is shortened and wrapped to a width")
  func widths() {
    let long = "a long name of a category that nobody can place"
    #expect(textWidth(shortened(long, to: 100, size: 12), size: 12) <= 100)
    #expect(shortened("short", to: 100, size: 12) == "short")
    let lines = wrapped(long, to: 120, size: 12)
    #expect(lines.count > 2 && lines.allSatisfy { textWidth($0, size: 12) <= 120 })
    #expect(lines.joined(separator: " ") == long)
  }

  @Test("CSV quotes what needs it, keeps every digit, and leaves values empty that are not finite")
  func csv() {
    let table = DataTable(
      [.init("name", "name"), .init("x", "x")],
      [[.text("a,b"), .number(0.1 + 0.2)], [.text("say \"no\""), .number(.nan)], [.text("c\nd"), .integer(-3)]])
    #expect(table.csv == "name,x\n\"a,b\",0.30000000000000004\n\"say \"\"no\"\"\",\n\"c\nd\",-3\n")
  }
}
