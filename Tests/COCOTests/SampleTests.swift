import Foundation
import TestSupport
import Testing

@testable import COCO

private struct Reference: Decodable {
  let area_px: Int
  let bbox_px: [Double]
  let crc32_rowmajor_u8: UInt32
  let rle_counts: String
}

private struct RunsFile: Decodable {
  struct Entry: Decodable {
    struct Segmentation: Decodable {
      let size: [Int]
      let counts: String
    }
    struct Expected: Decodable {
      let area: Int
      let bbox: [Double]
      let crc32_rowmajor_u8: UInt32
    }
    let index: Int
    let segmentation: Segmentation
    let expected: Expected
  }
  let rles: [Entry]
}

@Suite("COCO's own files")
struct SampleTests {
  @Test(
    "every annotation of the COCO sample has pycocotools' mask",
    .enabled(if: SharedData.has("coco-sample/instances.json"), "\(SharedData.absence)"))
  func sampleMasks() throws {
    let dataset = try KeyObjectDataset(contentsOf: SharedData.file("coco-sample/instances.json"))
    let references = try JSONDecoder().decode(
      [String: Reference].self, from: Data(contentsOf: SharedData.file("coco-sample/mask_refs.json")))
    #expect(dataset.annotations.count == references.count)
    for annotation in dataset.annotations {
      let reference = try #require(references[String(annotation.id)])
      let mask = try dataset.mask(for: annotation)
      let runs = RunLengthEncoding(mask)
      let box = runs.boundingBox
      #expect(mask.area == reference.area_px, "annotation \(annotation.id)")
      #expect(crc32(mask.pixels) == reference.crc32_rowmajor_u8, "annotation \(annotation.id)")
      #expect(runs.compressed == reference.rle_counts, "annotation \(annotation.id)")
      #expect([box.x, box.y, box.width, box.height].map(Double.init) == reference.bbox_px)
    }
  }

  @Test(
    "cocoapi's published run lengths decode to pycocotools' masks",
    .enabled(if: SharedData.has("metrics/rle/rle_refs.json"), "\(SharedData.absence)"))
  func publishedRuns() throws {
    let file = try JSONDecoder().decode(
      RunsFile.self, from: Data(contentsOf: SharedData.file("metrics/rle/rle_refs.json")))
    #expect(file.rles.count == 186)
    for entry in file.rles {
      let size = entry.segmentation.size
      let runs = try RunLengthEncoding(height: size[0], width: size[1], compressed: entry.segmentation.counts)
      let box = runs.boundingBox
      #expect(runs.area == entry.expected.area, "entry \(entry.index)")
      #expect([box.x, box.y, box.width, box.height].map(Double.init) == entry.expected.bbox, "entry \(entry.index)")
      #expect(crc32(runs.decoded().pixels) == entry.expected.crc32_rowmajor_u8, "entry \(entry.index)")
      #expect(runs.compressed == entry.segmentation.counts, "entry \(entry.index)")
    }
  }
}
