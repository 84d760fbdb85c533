import COCO
import Foundation
import HeadImpact
import IO
import Jobs
import VisionLanguage

/// One unit of work: an image with all its samples, so that how the work is divided never changes a number.
struct ScoringUnit: Sendable {
  let objects: ImageObjects

  var image: ImageRecord { objects.image }
  /// Ascending by id.
  var annotations: [Annotation] { objects.annotations }
}

extension ScoringUnit: WorkUnit {
  var key: Int { Int(image.id) }
  var sampleCount: Int { annotations.count }
  var fileNames: Set<String> { [image.fileName] }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    objects.encode(into: &writer)
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    objects = try ImageObjects(&reader)
    try reader.finish()
  }
}

/// The work of a scoring run.
struct ScoringPlan: Sendable {
  /// Ascending by image id.
  let units: [ScoringUnit]
  /// Multiplications of each unit, in 10⁹.
  let costs: [Double]

  var samples: Int { units.reduce(0) { $0 + $1.annotations.count } }

  /// - Parameter limit: takes the first samples only, by annotation id.
  init(
    _ dataset: KeyObjectDataset, limit: Int?, prompt: String, dimensions: ModelDimensions,
    layout: @escaping (_ width: Int, _ height: Int) throws -> VisualLayout
  ) {
    let annotations = dataset.annotations.sorted { $0.id < $1.id }.prefix(limit ?? .max)
    let groups = Dictionary(grouping: annotations, by: \.imageID)
    units = dataset.images.sorted { $0.id < $1.id }.compactMap { image in
      groups[image.id].map { ScoringUnit(objects: ImageObjects(image, $0, of: dataset)) }
    }
    var costs = UnitCosts(dimensions, layout: layout)
    self.costs = units.map { unit in
      let textRows = unit.annotations.reduce(dimensions.templateTokens + UnitCosts.tokens(prompt)) {
        $0 + UnitCosts.tokens($1.description ?? "")
      }
      return costs.multiplications(of: unit.image.size, textRows: textRows) / 1e9
    }
  }
}
