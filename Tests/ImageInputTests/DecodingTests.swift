import Foundation
import TestSupport
import Testing

@testable import ImageInput

@Suite("Decoding")
struct DecodingTests {
  @Test("JPEG and PNG files of every kind decode to Pillow's pixels")
  func fixtures() throws {
    let fixtures = try Goldens.load().goldens.fixtures
    #expect(fixtures.count > 40)
    for golden in fixtures {
      let image = try decodeImage(contentsOf: fixture(golden.file))
      #expect(image.width == golden.width, "\(golden.file)")
      #expect(image.height == golden.height, "\(golden.file)")
      #expect(crc32(image.pixels) == golden.crc32, "\(golden.file)")
    }
  }

  @Test("the size is read from the header")
  func sizes() throws {
    for golden in try Goldens.load().goldens.fixtures {
      let size = try imageSize(contentsOf: fixture(golden.file))
      #expect(size.width == golden.width, "\(golden.file)")
      #expect(size.height == golden.height, "\(golden.file)")
    }
  }

  @Test("the size is found behind more metadata than one read takes", arguments: [1, 3, 80])
  func sizeBehindMetadata(segments: Int) throws {
    let jpeg = try bytes(of: fixture("baseline-420.jpg"))
    let segment: [UInt8] = [0xff, 0xe1, 0xff, 0xff] + [UInt8](repeating: 0xff, count: 0xfffd)
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("headimpact-\(UUID()).jpg")
    let whole = jpeg[..<2] + (0..<segments).flatMap { _ in segment } + jpeg[2...]
    try Data(whole).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    let size = try imageSize(contentsOf: url)
    #expect(size.width == 41)
    #expect(size.height == 29)
    try Data(whole[..<(segments * segment.count)]).write(to: url)
    #expect(failure { try imageSize(contentsOf: url) }?.contains("cut off") == true)
  }

  @Test(
    "the COCO sample's pictures decode and resize to Pillow's pixels",
    .enabled(if: SharedData.has("coco-sample/images"), "\(SharedData.absence)"))
  func sample() throws {
    for golden in try Goldens.load().goldens.sample {
      let url = sampleFolder.appendingPathComponent(golden.file)
      let image = try decodeImage(contentsOf: url)
      #expect(crc32(image.pixels) == golden.crc32, "\(golden.file)")
      for size in golden.resized {
        let resized = try resizeBicubic(image, to: (size.width, size.height))
        #expect(crc32(resized.pixels) == size.crc32, "\(golden.file) to \(size.width) x \(size.height)")
      }
    }
  }

  @Test("a file cut off anywhere is refused")
  func truncated() throws {
    for golden in try Goldens.load().goldens.fixtures where golden.file != "trailing-bytes.jpg" {
      let whole = try bytes(of: fixture(golden.file))
      let step = whole.count > 1100 ? 7 : 1
      for length in stride(from: 0, to: whole.count, by: step) {
        let found = failure { try decodeImage(Array(whole[..<length]), name: golden.file) }
        #expect(found?.hasPrefix(golden.file) == true, "\(golden.file) of \(length) bytes")
      }
    }
  }

  @Test("a JPEG file whose data is cut out before its end marker is refused, not filled with grey")
  func missingMiddle() throws {
    for name in ["baseline-420.jpg", "progressive-444.jpg", "cmyk.jpg"] {
      let whole = try bytes(of: fixture(name))
      let found = failure { try decodeImage(Array(whole[..<(whole.count * 9 / 10)]) + [0xff, 0xd9], name: name) }
      #expect(found?.contains("premature end") == true, "\(name)")
    }
  }

  @Test("a file with damaged bytes never does worse than throw")
  func damaged() throws {
    for golden in try Goldens.load().goldens.fixtures {
      let whole = try bytes(of: fixture(golden.file))
      for round in 0..<100 {
        var damaged = whole
        for _ in 0...round % 4 { damaged[Int.random(in: 0..<whole.count)] = UInt8.random(in: 0...255) }
        // A size that became huge is decoded as such, which is right and slow: not here.
        var size: (width: Int, height: Int)?
        _ = failure { size = try imageSize(damaged) }
        if let size, size.width * size.height > 1 << 16 { continue }
        if let found = failure({ try decodeImage(damaged, name: "f") }) { #expect(found.hasPrefix("f: ")) }
      }
    }
  }

  @Test("a size beyond Pillow's limit, or of no pixels, is refused before it is allocated")
  func impossibleSizes() throws {
    var png = try bytes(of: fixture("rgb-8.png"))
    png.replaceSubrange(16..<24, with: [0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff])
    #expect(failure { try decodeImage(png, name: "f") }?.contains("the limit is 178956970") == true)
    png.replaceSubrange(16..<24, with: [0, 0, 0, 1, 0, 0, 0, 0])
    #expect(failure { try decodeImage(png, name: "f") }?.contains("1 x 0 pixels") == true)
    var jpeg = try bytes(of: fixture("grey.jpg"))
    let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xff, 0xff, 0xff, 0xff])
    #expect(failure { try decodeImage(jpeg, name: "f") }?.contains("the limit is 178956970") == true)
  }

  @Test(
    "what is neither JPEG nor PNG is refused, naming the file and the formats",
    arguments: ["GIF89a", "RIFF....WEBPVP8 ", "x", "\u{1}\u{2}"])
  func unknownFormat(text: String) {
    let found = failure { try decodeImage(Array(text.utf8), name: "photo.jpg") }
    #expect(found?.hasPrefix("photo.jpg: neither a JPEG nor a PNG file") == true)
  }

  @Test("a file that is empty or not there is named")
  func missing() {
    #expect(failure { try decodeImage([], name: "photo.jpg") } == "photo.jpg: the file is empty")
    let url = URL(fileURLWithPath: "/nowhere/photo.jpg")
    #expect(failure { try decodeImage(contentsOf: url) }?.hasPrefix("/nowhere/photo.jpg: can't be read") == true)
    #expect(failure { try imageSize(contentsOf: url) }?.hasPrefix("/nowhere/photo.jpg: can't be read") == true)
  }

  @Test("a picture encoded as PNG decodes to itself", arguments: [(1, 1), (3, 5), (64, 48), (401, 2)])
  func encodes(width: Int, height: Int) throws {
    let pixels = (0..<width * height * 3).map { _ in UInt8.random(in: 0...255) }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    #expect(try decodeImage(encodePNG(image), name: "f") == image)
  }
}
