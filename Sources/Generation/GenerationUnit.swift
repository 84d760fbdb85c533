import COCO
import Foundation
import Jobs

/// One unit of work: an image with everything that is asked about it.
struct GenerationUnit: Sendable {
  let imageID: Int64
  /// Ascending by id.
  let examples: [ImageTextExample]

  /// The units of a dataset in the order of their first examples. Of captions an image has one example, its first.
  static func units(of dataset: ImageTextDataset, limit: Int?) -> [GenerationUnit] {
    var examples = dataset.examples
    if dataset.kind == .captions {
      var seen: Set<Int64> = []
      examples = examples.filter { seen.insert($0.imageID).inserted }
    }
    examples = Array(examples.prefix(limit ?? .max))
    let groups = Dictionary(grouping: examples, by: \.imageID)
    var seen: Set<Int64> = []
    return examples.compactMap { example in
      guard seen.insert(example.imageID).inserted else { return nil }
      return GenerationUnit(imageID: example.imageID, examples: groups[example.imageID] ?? [])
    }
  }
}

/// What became of one unit, as it travels to rank 0 and lies in the journal.
struct GenerationResult: Codable, Equatable, Sendable {
  struct Outcome: Codable, Equatable, Sendable {
    let id: Int64
    /// nil where it could not be answered.
    let text: String?
    let reason: String?
  }

  let imageID: Int64
  let outcomes: [Outcome]

  func encode() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

  /// - Throws: `JobError` where the bytes aren't a result.
  init(decoding bytes: [UInt8]) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) } catch {
      throw JobError("a record holds no result of generating: \(error)")
    }
  }

  init(imageID: Int64, outcomes: [Outcome]) {
    self.imageID = imageID
    self.outcomes = outcomes
  }
}
