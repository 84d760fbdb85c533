import COCO
import IO
import Foundation
import ImageInput
import Jobs
import Transformer
import VisionLanguage

/// One unit of work: an image with all that is said of it.
struct AblationUnit: Sendable {
  let imageID: Int64
  /// Ascending by id.
  let examples: [ImageTextExample]

  /// Ascending by image id.
  static func units(of dataset: ImageTextDataset, limit: Int?) -> [AblationUnit] {
    Dictionary(grouping: dataset.examples.prefix(limit ?? .max), by: \.imageID)
      .map { AblationUnit(imageID: $0, examples: $1) }.sorted { $0.imageID < $1.imageID }
  }

  /// The units, the costliest first: the last to finish is then a short one.
  static func order(
    of units: [AblationUnit], dimensions: ModelDimensions,
    layout: (_ width: Int, _ height: Int) throws -> VisualLayout
  ) -> [Int] {
    let costs = units.map { unit in
      // A size that the family can't take is reported when its turn comes; one that isn't known counts as nothing.
      let load = unit.examples[0].size.flatMap { try? layout($0.width, $0.height) }?.load
      let texts = unit.examples.reduce(0) { $0 + (($1.prompt ?? "") + ($1.target ?? "")).utf8.count / 4 + 1 }
      return dimensions.multiplications(load, textRows: texts)
    }
    return units.indices.sorted { (costs[$0], $1) > (costs[$1], $0) }
  }

  /// The losses of everything that is said of the image. What can't be used is a result too.
  ///
  /// - Throws: what is no example's own fault: what the machine refuses, a failed library call, what `poll` throws.
  func measured(
    by reader: DescriptionLossReader, model: any VisionLanguageModel, ablations: [AblatedHeads], pictures: Pictures,
    prompt: String, poll: @escaping () throws -> Void
  ) throws -> UnitLosses {
    let first = examples[0]
    var usable: [(id: Int64, sequence: TokenSequence)] = []
    var outcomes: [UnitLosses.Outcome] = []
    do {
      let image = try pictures.reading(first.fileName) {
        try JobInputs.image(first.fileName, in: pictures.folder, size: first.size.map { ($0.width, $0.height) })
      }
      let layout = try model.visualLayout(width: image.width, height: image.height)
      for example in examples {
        do {
          usable.append((example.id, try sequence(of: example, model: model, prompt: prompt, layout: layout)))
        } catch let fault as any ContentFault { outcomes.append(.skipped(example.id, SkipReason(.text, fault))) }
      }
      let losses = try reader.read(
        image: image, sequences: usable.map(\.sequence), ablations: ablations, afterLayer: poll)
      for (index, sample) in usable.enumerated() {
        let its = losses.map { $0[index] }
        let problem = "its loss is no finite number: are the model's weights whole?"
        outcomes.append(
          its.allSatisfy(\.isFinite)
            ? UnitLosses.Outcome(id: sample.id, tokens: sample.sequence.predictingRows.count, losses: its, skip: nil)
            : .skipped(sample.id, SkipReason(.notFinite, problem)))
      }
    } catch let fault as any ContentFault {
      outcomes = examples.map { .skipped($0.id, SkipReason(.picture, fault)) }
    }
    return UnitLosses(imageID: imageID, outcomes: outcomes.sorted { $0.id < $1.id })
  }

  private func sequence(
    of example: ImageTextExample, model: any VisionLanguageModel, prompt: String, layout: VisualLayout
  ) throws -> TokenSequence {
    let target = (example.target ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !target.isEmpty else { throw SampleFault("it has no description or answer") }
    let sequence = try model.sequence(prompt: example.prompt ?? prompt, description: target, layout: layout)
    guard !sequence.caption.isEmpty else { throw SampleFault("its text has no token") }
    return sequence
  }
}

/// What became of one unit, as it travels to rank 0 and lies in the journal.
struct UnitLosses: Codable, Equatable, Sendable {
  struct Outcome: Codable, Equatable, Sendable {
    let id: Int64
    /// Supervised tokens.
    let tokens: Int
    /// Sums of their losses: of the model as it is, then of each ablation; nil where the example can't be used.
    let losses: [Double]?
    /// nil where it can.
    let skip: SkipReason?

    static func skipped(_ id: Int64, _ reason: SkipReason) -> Outcome {
      Outcome(id: id, tokens: 0, losses: nil, skip: reason)
    }
  }

  let imageID: Int64
  /// Ascending by id.
  let outcomes: [Outcome]

  var skipped: [Outcome] { outcomes.filter { $0.losses == nil } }

  func encode() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

  /// - Throws: `JobError` where the bytes aren't a result of so many ablations.
  init(decoding bytes: [UInt8], ablations: Int) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) } catch {
      throw JobError("a record holds no losses: \(error)")
    }
    guard outcomes.allSatisfy({ $0.losses.map { $0.count == 1 + ablations } ?? true }) else {
      throw JobError("a record of image \(imageID) has another number of losses than 1 + \(ablations) ablations")
    }
  }

  init(imageID: Int64, outcomes: [Outcome]) {
    self.imageID = imageID
    self.outcomes = outcomes
  }
}
