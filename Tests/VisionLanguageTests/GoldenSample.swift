import Foundation
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

/// One image and its description, with everything that transformers computed for it (tools/goldens/qwen2vl/make.py).
struct GoldenSample: Sendable, CustomTestStringConvertible {
  struct Input: Sendable, Codable {
    let sample: String
    let image: String
    let width: Int
    let height: Int
    let prompt: String
    let description: String
    let text: String
  }

  /// The checkpoints: nested config in bf16, flat config and shards in f32, other names and odd sizes in f16.
  static let folders = ["nested", "published", "odd"]

  let folder: String
  let input: Input

  var testDescription: String { "\(folder) \(input.sample)" }

  static func all() throws -> [GoldenSample] { try folders.flatMap { try samples(of: $0) } }

  static func samples(of folder: String) throws -> [GoldenSample] {
    let file = Goldens.root().appendingPathComponent(folder).appendingPathComponent("inputs.json")
    return try JSONDecoder().decode([Input].self, from: Data(contentsOf: file)).map {
      GoldenSample(folder: folder, input: $0)
    }
  }

  func image() throws -> RGBImage {
    try decodeImage(
      contentsOf: Goldens.root().appendingPathComponent(folder).appendingPathComponent("inputs/\(input.image)"))
  }

  func open(_ precision: Precision = .f32, instructions: ProductInstructions? = nil) throws -> OpenSample {
    try OpenSample(self, precision, instructions)
  }
}

func checkpoint(_ folder: String) -> URL {
  Goldens.root().appendingPathComponent(folder).appendingPathComponent("checkpoint")
}

func loadModel(
  _ folder: URL, _ precision: Precision = .f32, instructions: ProductInstructions? = nil
) throws -> Qwen2VLModel {
  let backend = try CPUBackend(
    precision: precision, team: ThreadTeam(count: 2),
    instructions: instructions)
  return try Qwen2VLModel(folder: folder, input: InputOptions(resizing: .pillow), backend: backend)
}

/// A sample with its model loaded. Its inputs to each stage are the goldens, so that each rung stands on its own.
struct OpenSample {
  let sample: GoldenSample
  let model: Qwen2VLModel
  private let goldens: Goldens

  init(_ sample: GoldenSample, _ precision: Precision, _ instructions: ProductInstructions?) throws {
    self.sample = sample
    goldens = try Goldens(sample.folder)
    model = try loadModel(
      checkpoint(sample.folder), precision, instructions: instructions)
  }

  func floats(_ what: String) throws -> [Float] { try goldens.floats("\(sample.input.sample).\(what)") }
  func doubles(_ what: String) throws -> [Double] { try goldens.doubles("\(sample.input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try goldens.integers("\(sample.input.sample).\(what)") }

  func sequence() throws -> TokenSequence {
    let visual = try integers("visual")
    return TokenSequence(
      ids: try integers("input_ids").map { Int32($0) }, image: TokenRanges(positions: visual),
      visual: TokenRanges(positions: visual), positions: try layout().positions,
      caption: try integers("caption"), captionSpans: try model.sequence(sample.input).captionSpans)
  }

  /// Patches down and across.
  func grid() throws -> (height: Int, width: Int) {
    let grid = try integers("grid_thw")
    return (grid[1], grid[2])
  }

  func layout() throws -> VisualLayout {
    try model.visualLayout(width: sample.input.width, height: sample.input.height)
  }

  func features() throws -> VisualFeatures {
    let values = try floats("vision.merger")
    return VisualFeatures(values: Tensor(values, rows: values.count / model.configuration.text.hiddenSize))
  }

  func scores(
    query: HeadImpactOptions.Query = .token, normalize: HeadImpactOptions.Normalize = .none
  ) throws -> [Float] {
    try model.scores(sample.image(), [sequence()], query: query, normalize: normalize)[0]
  }
}

extension VisionLanguageModel {
  /// AS of each sequence, in one reading.
  func scores(
    _ image: RGBImage, _ sequences: [TokenSequence], query: HeadImpactOptions.Query = .token,
    normalize: HeadImpactOptions.Normalize = .none, captionRows: Int = 512, heldScores: Int = 1 << 26
  ) throws -> [[Float]] {
    var scores: [[Float]] = []
    let reader = AttentionScoreReader(self, captionRows: captionRows, heldScores: heldScores)
    try reader.read(image: image, sequences: sequences, query: query, normalize: normalize) { index, values in
      #expect(index == scores.count, "the descriptions come in order")
      scores.append(values.withUnsafeBufferPointer { Array($0) })
    }
    return scores
  }

  func sequence(_ input: GoldenSample.Input, description: String? = nil) throws -> TokenSequence {
    try sequence(
      prompt: input.prompt, description: description ?? input.description,
      layout: visualLayout(width: input.width, height: input.height))
  }
}

extension VisualLayout {
  /// Qwen2-VL's of an image whose visual tokens are one row.
  static func row(of count: Int) -> VisualLayout {
    VisualLayout(
      views: [(.wholeImage, ViewGrid(rows: 1, cols: count))],
      cells: (0..<count).map { Cell(x0: Double($0), y0: 0, x1: Double($0 + 1), y1: 1) },
      text: String(repeating: Qwen2VLImageProcessor.placeholder, count: count), patches: 4 * count,
      positions: .grid(rows: 1, columns: count))
  }
}
