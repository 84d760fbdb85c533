import Figures
import Testing

@Suite("Elements")
struct ElementTests {
  @Test("text and attributes can't become markup, nor hold what XML forbids")
  func escaping() {
    let element = Element("p", ["title": "a\"<b>"], text: "1 < 2 & \u{0} \u{1b}")
    #expect(element.markup == "<p title=\"a&quot;&lt;b&gt;\">1 &lt; 2 &amp; \u{fffd} \u{fffd}</p>\n")
  }

  @Test("coordinates have two decimals at most")
  func coordinates() {
    #expect(
      [1, 1.5, -0.25, 1.005, -0.001, 12.349, 0.07].map(\.attributeText) == [
        "1", "1.5", "-0.25", "1", "0", "12.35", "0.07",
      ])
  }
}
