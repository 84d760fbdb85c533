import COCO
import Foundation
import IO
import Jobs
import RunSupport

/// One unit of work: an image with all expressions for it.
struct GroundingUnit: Sendable, WorkUnit {
  let objects: ImageObjects
  /// Ascending by id.
  let examples: [GroundingExample]

  var image: ImageRecord { objects.image }
  var key: Int { Int(image.id) }
  var sampleCount: Int { examples.count }
  var fileNames: Set<String> { [image.fileName] }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    objects.encode(into: &writer)
    writer.list(examples) { $1.encode(into: &$0) }
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    objects = try ImageObjects(&reader)
    examples = try reader.list { try GroundingExample(&$0) }
    try reader.finish()
    guard !examples.isEmpty else { throw JobError("a rank's message has an image without expressions") }
  }

  private init(_ objects: ImageObjects, _ examples: [GroundingExample]) {
    (self.objects, self.examples) = (objects, examples)
  }

  /// Ascending by image id.
  ///
  /// - Parameter limit: takes the first examples only, by id.
  static func units(of dataset: GroundingDataset, limit: Int?) -> [GroundingUnit] {
    let annotations = Dictionary(
      dataset.objects.annotations.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    var groups: [Int64: [GroundingExample]] = [:]
    for example in dataset.examples.prefix(limit ?? .max) {
      guard let annotation = annotations[example.annotationID] else { continue }
      groups[annotation.imageID, default: []].append(example)
    }
    return dataset.objects.images.sorted { $0.id < $1.id }.compactMap { image in
      groups[image.id].map { examples in
        let ids = Set(examples.map(\.annotationID)).sorted()
        return GroundingUnit(ImageObjects(image, ids.compactMap { annotations[$0] }, of: dataset.objects), examples)
      }
    }
  }

  /// Multiplications of the unit, about.
  func cost(_ costs: inout UnitCosts) -> Double {
    costs.multiplications(
      of: image.size, textRows: examples.reduce(costs.templateTokens) { $0 + UnitCosts.tokens($1.expression) })
  }
}
