import COCO
import Figures
import Foundation
import HeadImpact
import ImageInput
import Testing

@testable import AttentionMaps

@Suite("Drawing")
struct DrawingTests {
  /// Grey, 12 by 6 pixels, in two rows of four cells.
  private let image = RGBImage(width: 12, height: 6, pixels: [UInt8](repeating: 128, count: 12 * 6 * 3))
  private let cells = (0..<8).map { token -> Cell in
    let (x, y) = (Double(3 * (token % 4)), Double(3 * (token / 4)))
    return Cell(x0: x, y0: y, x1: x + 3, y1: y + 3)
  }

  private func pixel(_ image: RGBImage, _ x: Int, _ y: Int) -> [UInt8] {
    Array(image.pixels[3 * (y * image.width + x)..<3 * (y * image.width + x) + 3])
  }

  private func bytes(_ share: Double) -> [UInt8] {
    let colour = AttentionVeil.colour(share, over: SIMD3(repeating: 128.0 / 255))
    return (0..<3).map { UInt8((colour[$0] * 255).rounded()) }
  }

  @Test("a cell has one colour, that of its score's share of the highest; 384 pixels are the longest side")
  func blocks() throws {
    let overlay = try Overlay(image, cells: cells)
    let scores: [Float] = [0, 1, 2, 3, 4, 5, 6, 8]
    let picture = overlay.picture(of: scores, highest: 8)
    #expect(picture.width == 384 && picture.height == 192)
    let expected = scores.map { bytes(Double($0) / 8) }
    let wrong = (0..<384 * 192).filter { at in
      let (x, y) = (at % 384, at / 384)
      return pixel(picture, x, y) != expected[y / 96 * 4 + x / 96]
    }
    #expect(wrong.isEmpty)
  }

  @Test("the border of the object's cells is white, on their side and round all of them together")
  func border() throws {
    let mask = try TokenMask([false, true, true, false, false, false, true, false])
    let picture = try Overlay(image, cells: cells, isFramed: mask.isObject).picture(
      of: [Float](repeating: 0, count: 8), highest: 1)
    let white: [UInt8] = [255, 255, 255]
    #expect(pixel(picture, 96, 50) == white && pixel(picture, 95, 50) == bytes(0))
    #expect(pixel(picture, 200, 0) == white && pixel(picture, 200, 191) == white)
    // Between two cells of the object there is no border.
    #expect(pixel(picture, 192, 50) == bytes(0) && pixel(picture, 240, 95) == bytes(0))
    #expect(pixel(picture, 191, 95) == white && pixel(picture, 191, 96) == bytes(0))
  }

  @Test("the mask's picture keeps the object's colours and dims the rest")
  func mask() throws {
    let red = RGBImage(
      width: 2, height: 2, pixels: [UInt8]([200, 20, 20] + [200, 20, 20] + [200, 20, 20] + [200, 20, 20]))
    let picture = try Overlay(red, cells: [Cell(x0: 0, y0: 0, x1: 2, y1: 2)])
      .picture(of: BinaryMask(height: 2, width: 2, pixels: [1, 0, 0, 0]))
    #expect(pixel(picture, 100, 100) == [200, 20, 20])
    let rest = pixel(picture, 300, 300)
    #expect(rest[0] == rest[1] && rest[1] == rest[2] && rest[0] < 50)
  }

  @Test("where cells overlap, the highest score shows; where all are 0, nothing does")
  func overlap() throws {
    let both = [Cell(x0: 0, y0: 0, x1: 12, y1: 6), Cell(x0: 0, y0: 0, x1: 6, y1: 6)]
    let overlay = try Overlay(image, cells: both)
    let picture = overlay.picture(of: [0.5, 0.25], highest: 1)
    #expect(pixel(picture, 10, 10) == bytes(0.5) && pixel(picture, 300, 10) == bytes(0.5))
    let unseen = overlay.picture(of: [0, 0], highest: 0)
    #expect(pixel(unseen, 10, 10) == bytes(0) && bytes(0) == [128, 128, 128])
  }
}
