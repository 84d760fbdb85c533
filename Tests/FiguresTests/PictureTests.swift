import COCO
import HeadImpact
import ImageInput
import Testing

@testable import Figures

@Suite("Pictures with masks")
struct PictureTests {
  private func mask(_ rows: String...) -> BinaryMask {
    BinaryMask(height: rows.count, width: rows[0].count, pixels: rows.joined().map { $0 == "#" ? 1 : 0 })
  }

  private func text(_ mask: BinaryMask) -> [String] {
    (0..<mask.height).map { y in String((0..<mask.width).map { mask[y * mask.width + $0] ? "#" : "." }) }
  }

  @Test("the inner edge lies in the object, along the picture's border too; the outer one round it")
  func edges() {
    let object = mask("......", ".####.", ".####.", ".####.", "..####")
    #expect(text(object.innerEdge(1)) == ["......", ".####.", ".#..#.", ".##.#.", "..####"])
    #expect(text(object.outerEdge(1)) == ["######", "#....#", "#....#", "#....#", "##...."])
  }

  @Test("a mask is resized by the pixel that each middle falls on")
  func resized() {
    #expect(text(mask("#.", ".#").resized(width: 4, height: 4)) == ["##..", "##..", "..##", "..##"])
    #expect(text(mask("#...", "#...", "..##", "..##").resized(width: 2, height: 2)) == ["..", ".#"])
  }

  @Test("a cell's box holds the pixels whose middles lie in it, and no others of the picture")
  func boxes() {
    let cell = Cell(x0: 2, y0: -1, x1: 5, y1: 9)
    let box = PixelBox(cell, of: (width: 10, height: 8), in: (width: 5, height: 4))
    #expect(box == PixelBox(columns: 1..<3, rows: 0..<4))
    #expect(text(BinaryMask(width: 5, height: 4, boxes: [box])) == [".##..", ".##..", ".##..", ".##.."])
  }

  @Test("colours stay what they are, grey is their brightness, and a veil covers its share")
  func colours() {
    let photograph = Photograph(RGBImage(width: 2, height: 1, pixels: [201, 21, 61, 101, 101, 101]))
    #expect(photograph.drawn(photograph.colour).pixels == [201, 21, 61, 101, 101, 101])
    #expect(photograph.drawn { photograph.grey($0, dimmed: 0.4) }.pixels == [32, 32, 32, 40, 40, 40])
    let veiled = photograph.drawn { photograph.colour($0).veiled(by: SIMD3(Colour(grey: 1)), 0.5) }
    #expect(veiled.pixels == [228, 138, 158, 178, 178, 178])
    #expect(photograph.drawn { _ in SIMD3(2, -1, 0) }.pixels == [255, 0, 0, 255, 0, 0])
  }
}
