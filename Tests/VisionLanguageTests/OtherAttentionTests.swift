import Foundation
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import Transformer
@testable import VisionLanguage

/// Qwen2-VL, but that the image's tokens see one another both ways (Gemma 3), or all of the question does (PaliGemma), and that
/// the image is added to the stream behind layers (Qwen3-VL's DeepStack).
final class AlteredModel: VisionLanguageModel {
  static let modelTypes: [String] = []
  static let languageModelModule = Qwen2VLModel.languageModelModule
  static let visionModules = Qwen2VLModel.visionModules
  private let base: Qwen2VLModel
  var seesBothWays = Block.nothing
  var streamAdditionLayers: [Int] = []

  enum Block { case nothing, image, question }

  init(folder: URL, input: InputOptions, backend: any Backend) throws {
    base = try Qwen2VLModel(folder: folder, input: input, backend: backend)
  }

  convenience init(_ tiny: TinyCase) throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2))
    try self.init(folder: tiny.model, input: InputOptions(resizing: .pillow), backend: backend)
  }

  var parts: ModelParts { base.parts }
  var processor: any ImageProcessor { base.processor }
  func angles(_ sequence: TokenSequence) -> [RotaryAngles] { base.angles(sequence) }

  func bidirectionalBlocks(_ sequence: TokenSequence) -> [Range<Int>] {
    switch seesBothWays {
    case .nothing: []
    case .image: sequence.image.ranges
    case .question: [0..<(sequence.caption.first ?? sequence.ids.count)]
    }
  }

  func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    let features = try base.encode(image, taps: taps).values
    return VisualFeatures(
      values: features,
      additions: streamAdditionLayers.map { layer in
        let more = backend.tensor(backend.read(features), rows: features.rows)
        backend.scale(more, by: 0.5 + Float(layer))
        return (layer, more)
      })
  }
}

@Suite("Blocks that see themselves both ways, and rows added behind layers")
struct OtherAttentionTests {
  private static let descriptions = ["a", "a large red circle", "a large", "zwei Hunde"]

  private func scores(
    _ change: (AlteredModel) -> Void, query: HeadImpactOptions.Query = .token, heldScores: Int = 1 << 26,
    alone: Bool = false
  ) throws -> [[Float]] {
    let model = try AlteredModel(.nested)
    change(model)
    let sample = try GoldenSample.samples(of: "nested")[0]
    let (image, sequences) = (
      try sample.image(), try Self.descriptions.map { try model.sequence(sample.input, description: $0) }
    )
    return alone
      ? try sequences.map { try model.scores(image, [$0], query: query)[0] }
      : try model.scores(image, sequences, query: query, heldScores: heldScores)
  }

  private static let changes: [@Sendable (AlteredModel) -> Void] = [
    { $0.seesBothWays = .image }, { $0.seesBothWays = .question }, { $0.streamAdditionLayers = [0, 1] },
    { ($0.seesBothWays, $0.streamAdditionLayers) = (.image, [1]) },
  ]

  @Test(
    "descriptions that share a prefix have the scores that each has alone", arguments: changes.indices,
    HeadImpactOptions.Query.allCases)
  func scores(_ index: Int, _ query: HeadImpactOptions.Query) throws {
    let change = Self.changes[index]
    let together = try scores(change, query: query)
    let alone = try scores(change, query: query, alone: true)
    // One description a pass: the others find the prefix in the cache.
    let inTurn = try scores(change, query: query, heldScores: 1)
    let unchanged = try scores({ _ in }, query: query)
    for index in together.indices {
      for other in [alone, inTurn] {
        let closeness = Closeness(together[index], other[index])
        #expect(closeness.maximumDifference <= 4e-6, "description \(index): \(closeness)")
      }
      #expect(Closeness(together[index], unchanged[index]).relativeL2 > 1e-3)
    }
  }

  @Test("and the losses that each has alone", arguments: changes.indices)
  func losses(_ index: Int) throws {
    let model = try AlteredModel(.nested)
    Self.changes[index](model)
    let sample = try GoldenSample.samples(of: "nested")[0]
    let sequences = try Self.descriptions.map { try model.sequence(sample.input, description: $0) }
    let ablations = [AblatedHeads([(1, 2)])]
    let reader = DescriptionLossReader(model)
    let together = try reader.read(image: sample.image(), sequences: sequences, ablations: ablations)
    for (index, sequence) in sequences.enumerated() {
      let alone = try reader.read(image: sample.image(), sequences: [sequence], ablations: ablations)
      for (run, losses) in alone.enumerated() {
        #expect(abs(losses[0] - together[run][index]) <= 1e-4 * losses[0], "description \(index)")
      }
    }
  }

  @Test("no block is cut by what sequences share")
  func sharedPrefix() throws {
    let model = try AlteredModel(.nested)
    let sample = try GoldenSample.samples(of: "nested")[0]
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    let questions = try ["What is this?", "What is it?"].map { try model.question(prompt: $0, layout: layout) }
    func shared() -> Int { model.sharedPrefix(of: questions) { $0.ids.count - 1 } }
    let whole = shared()
    #expect(whole >= questions[0].image.end)
    model.seesBothWays = .image
    #expect(shared() == whole)
    model.seesBothWays = .question
    #expect(shared() == 0)
  }

  @Test("descriptions of one prompt share all of it, though its last row is read, and it sees itself both ways")
  func sharedRows() throws {
    let model = try AlteredModel(.nested)
    let sample = try GoldenSample.samples(of: "nested")[0]
    let sequences = try Self.descriptions.map { try model.sequence(sample.input, description: $0) }
    let start = try #require(sequences[0].caption.first)
    func shared(_ sequences: [TokenSequence], before query: HeadImpactOptions.Query) -> SharedRows {
      model.sharedRows(of: sequences) { $0.queryRows(query)[0] }
    }
    #expect(shared(sequences, before: .predicting) == SharedRows(prefix: start - 1, repeated: 0))
    model.seesBothWays = .question
    #expect(shared(sequences, before: .predicting) == SharedRows(prefix: start, repeated: 1))
    #expect(shared(sequences, before: .token) == SharedRows(prefix: start, repeated: 0))
    // Of another prompt every row is another.
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    let other = try model.sequence(prompt: "What is this?", description: "a", layout: layout)
    #expect(shared([sequences[0], other], before: .predicting) == SharedRows(prefix: 0, repeated: 0))
  }
}
