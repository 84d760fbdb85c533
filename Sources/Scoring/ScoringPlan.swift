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
    layout: (_ width: Int, _ height: Int) throws -> VisualLayout
  ) {
    let annotations = dataset.annotations.sorted { $0.id < $1.id }.prefix(limit ?? .max)
    let groups = Dictionary(grouping: annotations, by: \.imageID)
    units = dataset.images.sorted { $0.id < $1.id }.compactMap { image in
      groups[image.id].map { ScoringUnit(objects: ImageObjects(image, $0, of: dataset)) }
    }
    var known: [ImageSize: VisualLayout.Load?] = [:]
    costs = units.map { unit in
      var load: VisualLayout.Load?
      if let size = unit.image.size {
        // A size that the family can't take is reported when its turn comes; one that isn't known counts as nothing.
        load = known[size] ?? (try? layout(size.width, size.height))?.load
        known[size] = load
      }
      let textRows = unit.annotations.reduce(dimensions.templateTokens + Self.tokens(prompt)) {
        $0 + Self.tokens($1.description ?? "")
      }
      return dimensions.multiplications(load, textRows: textRows) / 1e9
    }
  }

  /// About as many as a text has: nobody needs them exactly before the tokenizer counts.
  private static func tokens(_ text: String) -> Int { text.utf8.count / 4 + 1 }
}
