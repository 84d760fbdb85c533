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

  @Test("a page and a drawing are whole files, with their titles escaped")
  func documents() {
    let page = Element.page(
      title: "a < b", style: "p{margin:0}", metas: ["generator": "x"], [Element("p", text: "c & d")])
    #expect(page.hasPrefix("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"))
    for part in ["<title>a &lt; b</title>", "<style>p{margin:0}</style>", "<p>c &amp; d</p>", "content=\"x\""] {
      #expect(page.contains(part), "\(part)")
    }
    let drawing = Element.svgFile(
      title: "t", description: "d", style: "", class: "fig", width: 10.5, height: 4,
      [Element.line(0, 0, 1, 1, style: "axis")])
    #expect(drawing.hasPrefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\""))
    #expect(drawing.contains("viewBox=\"0 0 10.5 4\"") && drawing.contains("<desc>d</desc>"))
  }
}
