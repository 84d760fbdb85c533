import Foundation
import TestSupport
import Testing

@testable import COCO

@Suite("Masks")
struct MaskTests {
  @Test("polygons make pycocotools' masks: degenerate ones, beyond the border, of several parts")
  func polygons() throws {
    for golden in try MaskGoldens.load().polygons {
      let mask = try BinaryMask(polygons: golden.polygons ?? [], height: golden.height, width: golden.width)
      let name = golden.name ?? ""
      #expect(mask.area == golden.area, "\(name)")
      #expect(crc32(mask.pixels) == golden.crc32, "\(name)")
      #expect(RunLengthEncoding(mask).compressed == golden.counts, "\(name)")
    }
  }

  @Test("run lengths decode, measure and compress as pycocotools' do")
  func runs() throws {
    let goldens = try MaskGoldens.load()
    for golden in goldens.runs + goldens.polygons {
      let runs = try RunLengthEncoding(height: golden.height, width: golden.width, compressed: golden.counts)
      #expect(crc32(runs.decoded().pixels) == golden.crc32)
      #expect(runs.area == golden.area)
      let box = runs.boundingBox
      #expect([box.x, box.y, box.width, box.height] == golden.bbox)
      #expect(runs.compressed == golden.counts)
      #expect(RunLengthEncoding(runs.decoded()) == runs)
    }
  }

  @Test("counts that do not divide the mask are refused")
  func wrongCounts() {
    #expect(failure { try RunLengthEncoding(height: 2, width: 3, counts: [1, 2, 2]) }?.contains("sum to 5") == true)
    #expect(failure { try RunLengthEncoding(height: 2, width: 3, counts: [1, 6]) }?.contains("leave") == true)
    #expect(failure { try RunLengthEncoding(height: 2, width: 3, counts: [7, -1]) }?.contains("leave") == true)
    #expect(failure { try RunLengthEncoding(height: 2, width: 3, counts: [-1, 7]) }?.contains("negative") == true)
    #expect(failure { try RunLengthEncoding(height: 2, width: 3, counts: [.max, .max]) } != nil)
    #expect(failure { try RunLengthEncoding(height: 2, width: 3, counts: []) } != nil)
  }

  @Test("an impossible size is refused before it is allocated")
  func impossibleSize() {
    for (height, width) in [(0, 4), (4, -1), (100_000, 100_000), (Int.max, Int.max), (Int.min, 2)] {
      #expect(failure { try RunLengthEncoding(height: height, width: width, counts: [0]) } != nil)
      #expect(failure { try BinaryMask(polygons: [[0, 0, 1, 0, 1, 1]], height: height, width: width) } != nil)
    }
  }

  @Test(
    "broken compressed counts are refused", arguments: ["/", "p", "é", "o", "oooooooooooooooooooo0", "n", "7n", ""])
  func brokenCompressed(text: String) {
    #expect(failure { try RunLengthEncoding(height: 2, width: 3, compressed: text) } != nil)
  }

  @Test("random compressed counts never do worse than throw")
  func randomCompressed() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let text = String(
        decoding: (0..<Int.random(in: 0...24, using: &generator)).map { _ in UInt8.random(in: 47...112) }, as: UTF8.self
      )
      _ = failure { try RunLengthEncoding(height: 40, width: 50, compressed: text).decoded() }
    }
  }

  @Test("polygons that are none are refused, naming the place")
  func brokenPolygons() {
    func problem(_ polygons: [[Double]]) -> String? {
      failure { try BinaryMask(polygons: polygons, height: 10, width: 10) }
    }
    #expect(problem([]) != nil)
    #expect(problem([[1, 1, 5, 1]])?.hasPrefix("[0]: a polygon of 4 coordinates") == true)
    #expect(problem([[1, 1, 5, 1, 5, 5], [1, 1, 5, 1, 5]])?.hasPrefix("[1]: a polygon of 5") == true)
    #expect(problem([[1, 1, .nan, 1, 5, 5]])?.hasPrefix("[0][2]") == true)
    #expect(problem([[1, 1, 5, 1, 5, .infinity]])?.hasPrefix("[0][5]") == true)
    #expect(problem([[1, 1, 5, 1, 5, -1e300]])?.hasPrefix("[0][5]") == true)
  }

  @Test("an outline that goes to and fro for ever is refused instead of walked", .timeLimit(.minutes(1)))
  func endlessOutline() {
    let polygon = (0..<20_000).flatMap { [$0 % 2 == 0 ? -1e6 : 1e6, Double($0)] }
    #expect(failure { try BinaryMask(polygons: [polygon], height: 10, width: 10) }?.contains("long") == true)
  }
}
