import Foundation
import IO
import TestSupport
import Testing

@testable import ImageInput

@Suite("Formats of pictures")
struct FormatTests {
  /// What begins a file, and a word that the refusal must have.
  static let others: [(start: [UInt8], word: String)] = [
    ([], "empty"),
    (Array("version https://git-lfs.github.com/spec/v1\noid sha256:".utf8), "git lfs pull"),
    (Array("<!DOCTYPE html><html>".utf8), "HTML"),
    (Array("\n  <HTML><body>404".utf8), "HTML"),
    (Array("<svg xmlns=".utf8), "SVG"),
    (Array("<?xml version=\"1.0\"?>\n<svg".utf8), "SVG"),
    (Array("{\"error\": 404}".utf8), "JSON"),
    (Array("%PDF-1.7".utf8), "PDF"),
    (Array("8BPS\0\u{1}".utf8), "PSD"),
    ([0x1f, 0x8b, 8], "gzip"),
    (Array("PK\u{3}\u{4}".utf8), "ZIP"),
    ([0, 0, 0, 0x1c] + Array("ftypavif".utf8), "AVIF"),
    ([0, 0, 0, 0x18] + Array("ftypheic".utf8), "HEIC"),
    ([0, 0, 0, 0x18] + Array("ftypmp42".utf8), "video"),
    ([0, 0, 0, 12] + Array("jP  \r\n".utf8), "JPEG 2000"),
    ([0xff, 0x4f, 0xff, 0x51], "JPEG 2000"),
    ([0xff, 0x0a, 1, 2], "JPEG XL"),
    (Array("RIFF....WAVEfmt ".utf8), "RIFF"),
    ([UInt8](repeating: 0, count: 100), "zero bytes"),
    ([1, 2, 3], "01 02 03"),
  ]

  @Test("a file of another format is refused, saying which it is and which are read", arguments: others)
  func refused(start: [UInt8], word: String) {
    let found = failure { try decodeImage(start, name: "photo.jpg") }
    #expect(found?.hasPrefix("photo.jpg: ") == true)
    #expect(found?.contains(word) == true, "\(found ?? "")")
    for format in ImageFormat.allCases { #expect(found?.contains(format.rawValue) == true) }
  }

  @Test(
    "a file of nothing but its first bytes is cut off",
    arguments: ["GIF89a", "RIFF\u{10}\0\0\0WEBPVP8 ", "II*\0", "BM", "BM123456789012345678901234567890"])
  func onlyStart(text: String) {
    #expect(failure { try decodeImage(Array(text.utf8), name: "photo.jpg") }?.hasPrefix("photo.jpg: ") == true)
  }

  @Test("one missing file is a fault of the content, a missing folder one of the environment")
  func missing() throws {
    try ScratchFolder.with { scratch in
      try Data([1]).write(to: scratch.file("other.jpg"))
      let file = scratch.file("photo.jpg")
      let nowhere = scratch.file("nowhere/photo.jpg")
      #expect(throws: MissingFile.self) { try decodeImage(contentsOf: file) }
      #expect(throws: MissingFile.self) { try imageSize(contentsOf: file) }
      #expect(throws: EnvironmentFault.self) { try decodeImage(contentsOf: nowhere) }
      #expect(throws: EnvironmentFault.self) { try imageSize(contentsOf: nowhere) }
    }
    #expect(ImageError(problem: "") as any Error is any ContentFault)
  }

  @Test(
    "Pictures of every format are the same pixels (case image-formats)",
    .enabled(if: SharedData.has("cases/image-formats"), "\(SharedData.absence)"))
  func sharedCase() throws {
    let folder = SharedData.file("cases/image-formats/images")
    let plain = try decodeImage(contentsOf: folder.appendingPathComponent("plain.png"))
    for name in ["webp.jpg", "gif.jpg", "bmp.jpg", "tiff.jpg", "no-iend.png"] {
      let url = folder.appendingPathComponent(name)
      let image = try decodeImage(contentsOf: url)
      // A GIF has but 256 colours.
      let limit = name == "gif.jpg" ? 60 : 0
      #expect(zip(image.pixels, plain.pixels).allSatisfy { abs(Int($0) - Int($1)) <= limit }, "\(name)")
      #expect(try imageSize(contentsOf: url) == (112, 112), "\(name)")
    }
  }

  /// Files whose sizes are a lie: where the size stands in a fixture, and how it is written.
  static let sizes: [(file: String, at: Int, bytes: [UInt8])] = [
    ("rgb-8.png", 16, [0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
    ("24.bmp", 18, [0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f]),
    ("24.bmp", 18, [0, 0, 0, 0, 7, 0, 0, 0]),
    ("offset.gif", 6, [0xff, 0xff, 0xff, 0xff]),
    ("animated.webp", 24, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ("lossless.webp", 21, [0xff, 0xff, 0xff, 0x0f]),
  ]

  @Test("a size beyond the limit, or of no pixels, is refused before memory is taken", arguments: sizes)
  func impossibleSize(file: String, at: Int, bytes lie: [UInt8]) throws {
    var whole = try bytes(of: fixture(file))
    whole.replaceSubrange(at..<at + lie.count, with: lie)
    let found = failure { try decodeImage(whole, name: "f") }
    #expect(found?.contains("pixels") == true || found?.contains("corrupt") == true, "\(found ?? "")")
  }

  @Test("a TIFF file that claims a huge picture, tile or strip is refused")
  func impossibleTIFF() throws {
    let whole = try bytes(of: fixture("rgb-tiles.tif"))
    // Width and height, then those of the tiles: shorts in the entries' fields.
    for tags in [[256, 257], [322, 323]] as [[UInt16]] {
      var lie = whole
      for tag in tags {
        let entry = try #require(
          stride(from: 10, to: 200, by: 12).first { lie[$0] == UInt8(tag & 255) && lie[$0 + 1] == UInt8(tag >> 8) })
        lie.replaceSubrange(entry + 8..<entry + 10, with: [0xf0, 0xff])
      }
      #expect(failure { try decodeImage(lie, name: "f") }?.hasPrefix("f: ") == true, "\(tags)")
    }
  }

  @Test("a 16-bit picture takes no more memory than its 8-bit pixels")
  func shortPNG() throws {
    // A header of the greatest size before data that can't fill it.
    var png = try bytes(of: fixture("rgba-16.png"))
    png.replaceSubrange(16..<24, with: [0, 0, 0x34, 0x3f, 0, 0, 0x34, 0x3f])
    #expect(failure { try decodeImage(png, name: "f") }?.contains("can't hold") == true)
  }
}
