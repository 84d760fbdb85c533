import Foundation
import TestSupport
import Testing

@testable import ImageInput

/// What make_resizes.py wrote of Pillow's results, and make_torchvision_resizes.py of torchvision's.
private struct Resize: Decodable {
  let from: [Int]
  let to: [Int]
  let crc32: [String: UInt32]
}

/// What make_torchvision_resizes.py wrote of the COCO sample's photographs.
private struct PhotographResize: Decodable {
  let file: String
  let to: [Int]
  let filter: String
  let crc32: UInt32
}

extension Resizing {
  private func golden<Rows: Decodable>(_ name: String) throws -> Rows {
    try JSONDecoder().decode(Rows.self, from: Data(contentsOf: goldenFolder.appendingPathComponent(name)))
  }

  fileprivate func drawn() throws -> [Resize] {
    try golden(self == .pillow ? "resizes.json" : "torchvision-resizes.json")
  }

  fileprivate static func photographs() throws -> [PhotographResize] {
    try torchvision.golden("torchvision-photographs.json")
  }
}

/// As make_resizes.py draws it.
private func picture(_ width: Int, _ height: Int) -> RGBImage {
  var pixels: [UInt8] = []
  for y in 0..<height {
    for x in 0..<width {
      for channel in 0..<3 {
        let fold = x * x * 3 + y * y * 5 + x * y * (channel + 1) * 7 + channel * 400
        pixels.append(UInt8((fold + (x / 9 + y / 7) % 2 * 900) / 8 % 256))
      }
    }
  }
  return RGBImage(width: width, height: height, pixels: pixels)
}

@Suite("Resizing, cropping, padding and tiles")
struct ResizeTests {
  @Test(
    "every filter gives torchvision's and Pillow's pixels, up, down and with sides of one pixel",
    arguments: ResamplingFilter.allCases, Resizing.allCases)
  func filters(_ filter: ResamplingFilter, as resizing: Resizing) throws {
    let goldens = try resizing.drawn()
    #expect(goldens.count >= 40)
    for golden in goldens {
      let resized = try resize(
        picture(golden.from[0], golden.from[1]), to: (golden.to[0], golden.to[1]), filter: filter, as: resizing)
      #expect([resized.width, resized.height] == golden.to)
      #expect(crc32(resized.pixels) == golden.crc32["\(filter)"], "\(golden.from) to \(golden.to)")
    }
  }

  @Test(
    "the COCO sample's photographs get torchvision's pixels at the sizes that published models ask for",
    .enabled(if: SharedData.has("coco-sample/images"), "\(SharedData.absence)"))
  func photographs() throws {
    let goldens = try Resizing.photographs()
    #expect(Set(goldens.map(\.file)).count == 16)
    let byFile = Dictionary(grouping: goldens, by: \.file).sorted { $0.key < $1.key }
    for (file, rows) in byFile.prefix(isDebugBuild ? 1 : byFile.count) {
      let image = try decodeImage(contentsOf: sampleFolder.appendingPathComponent(file))
      for golden in rows {
        let filter = try #require(ResamplingFilter.allCases.first { "\($0)" == golden.filter })
        let resized = try resize(image, to: (golden.to[0], golden.to[1]), filter: filter, as: .torchvision)
        #expect(crc32(resized.pixels) == golden.crc32, "\(file) to \(golden.to), \(golden.filter)")
      }
    }
  }

  @Test("torchvision and Pillow differ where Pillow goes down the columns first")
  func orders() throws {
    let image = picture(640, 480)
    func difference(_ size: (width: Int, height: Int)) throws -> Int {
      let pair = try Resizing.allCases.map { try resize(image, to: size, filter: .bicubic, as: $0).pixels }
      return zip(pair[0], pair[1]).map { abs(Int($0) - Int($1)) }.max() ?? 0
    }
    #expect(try difference((476, 364)) <= 1)
    #expect(try difference((644, 364)) > 1)
  }

  @Test("a size that no picture may have is refused with every filter", arguments: ResamplingFilter.allCases)
  func impossibleSizes(_ filter: ResamplingFilter) {
    for size in [(0, 1), (1, -1), (1 << 20, 1 << 20), (Int.max, Int.max)] {
      #expect(failure { try resize(picture(1, 2), to: size, filter: filter, as: .torchvision) } != nil)
    }
  }

  @Test("a crop holds the rectangle's pixels, and one beyond the picture is refused")
  func crops() throws {
    let image = picture(11, 7)
    let crop = try image.cropped(x: 3, y: 2, width: 5, height: 4)
    #expect(crop.width == 5 && crop.height == 4)
    for y in 0..<4 {
      for x in 0..<5 {
        #expect(crop.pixel(x, y) == image.pixel(x + 3, y + 2))
      }
    }
    #expect(try image.cropped(x: 0, y: 0, width: 11, height: 7) == image)
    for (x, y, width, height) in [
      (-1, 0, 2, 2), (0, 0, 12, 7), (10, 0, 2, 1), (0, 6, 1, 2), (0, 0, 0, 1), (0, 0, Int.max, 1),
    ] {
      #expect(failure { try image.cropped(x: x, y: y, width: width, height: height) } != nil)
    }
  }

  @Test("padding frames the picture, and a frame of no possible size is refused")
  func padding() throws {
    let image = picture(3, 2)
    let framed = try image.padded(left: 1, top: 2, right: 3, bottom: 4, value: 9)
    #expect(framed.width == 7 && framed.height == 8)
    #expect(try framed.cropped(x: 1, y: 2, width: 3, height: 2) == image)
    #expect(framed.pixels.count { $0 == 9 } >= (7 * 8 - 6) * 3)
    #expect(framed.pixel(0, 0) == [9, 9, 9] && framed.pixel(6, 7) == [9, 9, 9])
    #expect(try image.padded() == image)
    #expect(failure { try image.padded(left: -1) } != nil)
    #expect(failure { try image.padded(right: RGBImage.maximumPixels) } != nil)
  }

  @Test("tiles come row by row, and a picture that is not whole tiles is refused")
  func tiles() throws {
    let image = picture(12, 6)
    let tiles = try image.tiles(width: 4, height: 3)
    #expect(tiles.count == 6)
    for (index, tile) in tiles.enumerated() {
      #expect(try tile == image.cropped(x: index % 3 * 4, y: index / 3 * 3, width: 4, height: 3))
    }
    #expect(failure { try image.tiles(width: 5, height: 3) }?.contains("12 x 6") == true)
    #expect(failure { try image.tiles(width: 0, height: 3) } != nil)
  }
}

extension RGBImage {
  fileprivate func pixel(_ x: Int, _ y: Int) -> [UInt8] {
    let at = (y * width + x) * 3
    return Array(pixels[at..<at + 3])
  }
}
