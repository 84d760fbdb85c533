import Foundation
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// The parity ladder of Qwen3-VL in float32: the first test that fails is the stage that is wrong. The bounds are those of
/// docs/measures.md or, where it says nothing, those of Qwen2-VL's ladder.
@Suite("Parity of Qwen3-VL with transformers in float32")
struct Qwen3VLParityTests {
  @Test("pixels, grid and cells", arguments: try Qwen3VLSample.all())
  func pixels(_ sample: Qwen3VLSample) throws {
    let model = try sample.model()
    let processor = try #require(model.processor as? Qwen2VLImageProcessor)
    let batch = try processor(sample.image())
    let grid = try sample.integers("grid")
    #expect(batch.grids == [PatchGrid(rows: grid[0], columns: grid[1])])
    // The goldens hold 8-bit values, one of the two equal frames.
    let pixels = try sample.integers("pixels")
    let plane = 16 * 16
    try #require(batch.pixelValues.count == 2 * pixels.count)
    for (index, value) in batch.pixelValues.enumerated() {
      let (block, within) = (index / (2 * plane), index % plane)
      let expected = (Float(Double(pixels[block * plane + within]) / 255) - 0.5) / 0.5
      guard abs(value - expected) <= 1e-6 else {
        Issue.record("value \(index) is \(value), transformers' is \(expected)")
        break
      }
    }
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    let cells = try sample.doubles("cells")
    try #require(layout.visualCells.count * 4 == cells.count)
    for (index, cell) in layout.visualCells.enumerated() {
      // The reference multiplies by fractions of the grid: the last bits are others.
      for (own, theirs) in zip([cell.x0, cell.y0, cell.x1, cell.y1], cells[4 * index..<4 * index + 4]) {
        #expect(abs(own - theirs) <= 1e-9, "cell \(index)")
      }
    }
    #expect(layout.grids == [ViewGrid(rows: grid[0] / 2, cols: grid[1] / 2)])
  }

  @Test("token ids, which of them are visual and the description's, and positions", arguments: try Qwen3VLSample.all())
  func tokens(_ sample: Qwen3VLSample) throws {
    let model = try sample.model()
    let sequence = try model.sequence(sample.input)
    #expect(try sequence.ids.map(Int.init) == sample.integers("input_ids"))
    #expect(try sequence.visual.positions == sample.integers("visual"))
    #expect(sequence.image == sequence.visual)
    #expect(try sequence.caption == sample.integers("caption"))
    #expect(
      try Qwen2VLPositions.positions(of: sequence).flatMap { $0.map(Int.init) } == sample.integers("position_ids"))
    let rendered = try model.chat.conversation(prompt: sample.input.prompt, answer: sample.input.description)
    #expect(rendered.text == sample.input.text)
  }

  @Test(
    "each layer of the vision tower, the features, and what is added behind layers", arguments: try Qwen3VLSample.all())
  func tower(_ sample: Qwen3VLSample) throws {
    let model = try sample.model()
    var layers: [[Float]] = []
    let features = try model.encode(
      sample.image(), taps: Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) }))
    #expect(layers.count == model.configuration.vision.depth)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("vision.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
    let closeness = Closeness(model.backend.read(features.values), try sample.floats("vision.features"))
    #expect(closeness.relativeL2 <= 1e-5, "\(closeness)")
    #expect(features.additions.map(\.afterLayer) == model.streamAdditionLayers)
    for (layer, values) in features.additions {
      let closeness = Closeness(model.backend.read(values), try sample.floats("vision.addition.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "addition \(layer): \(closeness)")
    }
  }

  @Test("token embeddings, visual tokens in place", arguments: try Qwen3VLSample.all())
  func embeddings(_ sample: Qwen3VLSample) throws {
    let model = try sample.model()
    let sequence = try model.sequence(sample.input)
    let embedded = model.backend.tensor(rows: sequence.ids.count, columns: model.decoder.hiddenSize)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try sample.features(model), into: embedded)
    #expect(try model.backend.read(embedded) == sample.floats("decoder.embeddings"))
  }

  @Test("each decoder layer, with what is added behind it", arguments: try Qwen3VLSample.all())
  func decoder(_ sample: Qwen3VLSample) throws {
    try check(sample.layers(sample.model()), sample)
  }

  @Test(
    "the additions follow their rows where a pass begins in, before or behind the image",
    arguments: try Qwen3VLSample.all())
  func pieces(_ sample: Qwen3VLSample) throws {
    let model = try sample.model()
    let image = try model.sequence(sample.input).image
    let (first, end) = (try #require(image.ranges.first).lowerBound, image.end)
    let middle = (first + end) / 2
    for cuts in [[middle], [first], [end], [first + 1, middle, end - 1], [2, end + 1]] {
      for endsInSegment in [false, true] {
        try check(sample.layers(model, cuts: cuts, endsInSegment: endsInSegment), sample, "cut at \(cuts)")
      }
    }
  }

  private func check(_ layers: [[Float]], _ sample: Qwen3VLSample, _ what: String = "") throws {
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("decoder.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer) \(what): \(closeness)")
    }
  }

  @Test(
    "attention scores, from the image on, of every description of a group and of later groups",
    arguments: try Qwen3VLSample.all())
  func scores(_ sample: Qwen3VLSample) throws {
    let model = try sample.model()
    let sequence = try model.sequence(sample.input)
    let sequences = [sequence, try model.sequence(sample.input, description: "x y"), sequence, sequence]
    let expected = try sample.floats("scores")
    for (captionRows, heldScores) in [(512, 1 << 26), (1, 1 << 26), (512, 1)] {
      let scores = try model.scores(sample.image(), sequences, captionRows: captionRows, heldScores: heldScores)
      for index in [0, 2, 3] {
        let closeness = Closeness(scores[index], expected)
        #expect(closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "\(closeness)")
      }
    }
  }

  @Test("in bf16 the scores are near those in float32", arguments: try Qwen3VLSample.all())
  func bfloat16(_ sample: Qwen3VLSample) throws {
    let model = try sample.model(.bf16)
    let scores = try model.scores(sample.image(), [model.sequence(sample.input)])
    let closeness = Closeness(scores[0], try sample.floats("scores"))
    #expect(closeness.relativeL2 < 0.05, "\(closeness)")
  }

  @Test("the losses of descriptions read together are those of each alone, with and without some heads")
  func losses() throws {
    let sample = try #require(try Qwen3VLSample.all().first)
    let model = try sample.model()
    let sequences = try ["a", "a large red circle", "zwei Hunde"].map {
      try model.sequence(sample.input, description: $0)
    }
    // Below, between and above the additions.
    let ablations = [AblatedHeads([(0, 1)]), AblatedHeads([(2, 3)]), AblatedHeads([(3, 0)])]
    func losses(_ sequences: [TokenSequence], rows: Int = 512) throws -> [[Double]] {
      try DescriptionLossReader(model, descriptionRows: rows)
        .read(image: sample.image(), sequences: sequences, ablations: ablations)
    }
    let (together, inTurn) = (try losses(sequences), try losses(sequences, rows: 1))
    for (index, sequence) in sequences.enumerated() {
      for (run, alone) in try losses([sequence]).enumerated() {
        #expect(abs(alone[0] - together[run][index]) <= 1e-5 * alone[0], "run \(run), description \(index)")
        #expect(abs(alone[0] - inTurn[run][index]) <= 1e-5 * alone[0], "run \(run), description \(index)")
      }
    }
  }
}
