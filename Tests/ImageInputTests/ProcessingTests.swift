import Foundation
import TestSupport
import Testing

@testable import ImageInput

@Suite("Resizing")
struct ProcessingTests {
  @Test("resizing gives Pillow's pixels, up, down and to odd sizes")
  func resizes() throws {
    for golden in try Goldens.load().fixtures {
      let image = try decodeImage(contentsOf: fixture(golden.file))
      for size in golden.resized {
        let resized = try resize(image, to: (size.width, size.height), filter: .bicubic, as: .pillow)
        #expect(crc32(resized.pixels) == size.crc32, "\(golden.file) to \(size.width) x \(size.height)")
      }
    }
  }

  @Test("resizing to no pixels or to too many is refused")
  func impossibleSizes() {
    let image = RGBImage(width: 1, height: 2, pixels: [UInt8](repeating: 7, count: 6))
    for size in [(0, 1), (1, -1), (1 << 20, 1 << 20), (Int.max, Int.max)] {
      #expect(failure { try resize(image, to: size, filter: .bicubic, as: .pillow) } != nil)
    }
  }
}
