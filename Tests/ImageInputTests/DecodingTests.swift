import Foundation
import TestSupport
import Testing

@testable import ImageInput

@Suite("Decoding")
struct DecodingTests {
  @Test("files of every format and kind decode to Pillow's pixels, upright")
  func fixtures() throws {
    let fixtures = try Goldens.load().fixtures
    #expect(fixtures.count > 300)
    for golden in fixtures {
      let image = try decodeImage(contentsOf: fixture(golden.file))
      #expect(image.width == golden.width, "\(golden.file)")
      #expect(image.height == golden.height, "\(golden.file)")
      #expect(crc32(image.pixels) == golden.crc32, "\(golden.file)")
    }
  }

  @Test("the size is read from the header")
  func sizes() throws {
    for golden in try Goldens.load().fixtures {
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
    for golden in try Goldens.load().sample {
      let url = sampleFolder.appendingPathComponent(golden.file)
      let image = try decodeImage(contentsOf: url)
      #expect(crc32(image.pixels) == golden.crc32, "\(golden.file)")
      for size in golden.resized {
        let resized = try resize(image, to: (size.width, size.height), filter: .bicubic, as: .pillow)
        #expect(crc32(resized.pixels) == size.crc32, "\(golden.file) to \(size.width) x \(size.height)")
      }
    }
  }

  @Test("a file cut off anywhere is refused, unless only bytes after the pixels are missing")
  func truncated() throws {
    // Of these, the cut-off end says how the picture is to be turned.
    let turnedByTheirEnd = ["trailing-bytes.jpg", "exif-after-pixels.png", "exif-last.png"]
    for golden in try Goldens.load().fixtures where !turnedByTheirEnd.contains(golden.file) {
      let whole = try bytes(of: fixture(golden.file))
      let image = try decodeImage(whole, name: golden.file)
      let step = whole.count > 1100 ? 7 : 1
      for length in stride(from: 0, to: whole.count, by: step) {
        let cut = Array(whole[..<length])
        do {
          #expect(try decodeImage(cut, name: "f") == image, "\(golden.file) of \(length) bytes")
          #expect(!golden.file.hasSuffix(".jpg"))
          let leastNeeded = golden.file == "two-pages.tif" || golden.file.hasPrefix("animated") ? 0.3 : 0.5
          #expect(Double(length) > leastNeeded * Double(whole.count), "\(golden.file) of \(length) bytes")
        } catch let error as ImageError {
          #expect(error.file == "f", "\(golden.file) of \(length) bytes")
        }
      }
    }
  }

  @Test("a PNG file without its last chunk is whole; one cut off within its orientation is not")
  func pngEnd() throws {
    let whole = try bytes(of: fixture("exif-last.png"))
    #expect(try decodePicture(whole, name: "f").header.orientation == .turnedLeft)
    #expect(failure { try decodeImage(whole.dropLast(10).map { $0 }, name: "f") }?.contains("cut off") == true)
    let plain = try bytes(of: fixture("no-iend.png"))
    #expect(try decodeImage(plain, name: "f") == decodeImage(bytes(of: fixture("half-iend.png")), name: "f"))
    #expect(failure { try decodeImage(plain.dropLast(30).map { $0 }, name: "f") } != nil)
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
    for golden in try Goldens.load().fixtures {
      let whole = try bytes(of: fixture(golden.file))
      for round in 0..<40 {
        var damaged = whole
        for _ in 0...round % 4 { damaged[Int.random(in: 0..<whole.count)] = UInt8.random(in: 0...255) }
        // A size that became huge is decoded as such, which is right and slow: not here.
        var header: PictureHeader?
        _ = failure { header = try PictureHeader(damaged, isWhole: true) }
        if let header, header.width * header.height > 1 << 16 { continue }
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

  @Test("a picture encoded as PNG decodes to itself", arguments: [(1, 1), (3, 5), (64, 48), (401, 2)])
  func encodes(width: Int, height: Int) throws {
    let pixels = (0..<width * height * 3).map { _ in UInt8.random(in: 0...255) }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    #expect(try decodeImage(encodePNG(image), name: "f") == image)
  }
}
