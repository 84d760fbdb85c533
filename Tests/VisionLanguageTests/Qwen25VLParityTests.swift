import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// The parity ladder of Qwen2.5-VL in float32: the first test that fails is the stage that is wrong. The bounds are those of
/// docs/measures.md or, where it says nothing, those of Qwen2-VL's ladder.
@Suite("Parity of Qwen2.5-VL with transformers in float32")
struct Qwen25VLParityTests {
  @Test("the image processor's pixel values", arguments: try Qwen25VLSample.all())
  func pixels(_ sample: Qwen25VLSample) throws {
    let processor = try processor(in: checkpoint(sample.folder))
    let batch = try processor(sample.image())
    let grid = try sample.integers("grid_thw")
    #expect(batch.grids == [PatchGrid(rows: grid[1], columns: grid[2])])
    // The goldens are the 8-bit pixels of one of the two frames, which are the same.
    let (pixels, plane) = (try sample.integers("pixels"), processor.patchSize * processor.patchSize)
    let tables = processor.normalization.tables()
    let expected = stride(from: 0, to: pixels.count, by: plane).flatMap { start -> [Float] in
      let values = pixels[start..<start + plane].map { tables[start / plane % 3][$0] }
      return values + values
    }
    #expect(batch.pixelValues == expected)
  }

  @Test(
    "token ids, which of them are visual and the description's, and their positions",
    arguments: try Qwen25VLSample.all())
  func tokens(_ sample: Qwen25VLSample) throws {
    let model = try sample.model()
    let rendered = try model.chat.conversation(prompt: sample.input.prompt, answer: sample.input.description)
    #expect(Array(rendered.text.unicodeScalars) == Array(sample.input.text.unicodeScalars))
    let sequence = try model.sequence(sample.input)
    #expect(try sequence.ids.map(Int.init) == sample.integers("input_ids"))
    #expect(try sequence.visual.positions == sample.integers("visual") && sequence.image == sequence.visual)
    #expect(try sequence.caption == sample.integers("caption"))
    let positions = Qwen2VLPositions.positions(of: sequence)
    #expect(positions.flatMap { $0.map(Int.init) } == (try sample.integers("position_ids")))
  }

  @Test("the windows of an image", arguments: try Qwen25VLSample.all())
  func windows(_ sample: Qwen25VLSample) throws {
    let tower = try sample.model().configuration.tower
    let (grid, side) = (try sample.integers("grid_thw"), tower.spatialMergeSize)
    let windows = try #require(tower.windows)
      .division(of: PatchGrid(rows: grid[1] / side, columns: grid[2] / side)).windows
    #expect(try [0] + windows.map { $0.upperBound * side * side } == sample.integers("vision.windows"))
  }

  @Test("each layer of the vision tower, and the merger", arguments: try Qwen25VLSample.all())
  func tower(_ sample: Qwen25VLSample) throws {
    let model = try sample.model()
    var layers: [[Float]] = []
    let taps = Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) })
    let features = try model.encode(sample.image(), taps: taps)
    #expect(layers.count == model.configuration.tower.depth)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("vision.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
    let closeness = Closeness(model.backend.read(features.values), try sample.floats("vision.merger"))
    #expect(closeness.relativeL2 <= 1e-5, "\(closeness)")
    // Of the image before nothing is left.
    #expect(
      try model.backend.read(model.encode(sample.image(), taps: Taps()).values) == model.backend.read(features.values))
  }

  @Test("token embeddings, visual tokens in place, and each decoder layer", arguments: try Qwen25VLSample.all())
  func decoder(_ sample: Qwen25VLSample) throws {
    let model = try sample.model()
    let sequence = try model.sequence(sample.input)
    let hidden = Tensor(
      [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize), rows: sequence.ids.count)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try sample.features(model), into: hidden)
    #expect(try model.backend.read(hidden) == sample.floats("decoder.embeddings"))
    let cache = KeyValueCache(on: model.backend)
    model.decoder.reserve(cache, rows: sequence.ids.count)
    var layers: [[Float]] = []
    try model.decoder.forward(
      hidden, layout: SequenceLayout(newPrefix: 0, segments: [sequence.ids.count]), angles: model.angles(sequence),
      cache: cache, taps: Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) }))
    #expect(layers.count == model.decoder.layers.count)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("decoder.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
  }

  @Test("attention scores, from the image on", arguments: try Qwen25VLSample.all())
  func scores(_ sample: Qwen25VLSample) throws {
    let model = try sample.model()
    let sequence = try model.sequence(sample.input)
    let expected = try sample.floats("scores")
    // A second description shares the image's rows, and changes nothing.
    let scores = try model.scores(
      sample.image(), [sequence, model.sequence(sample.input, description: "x y"), sequence])
    for index in [0, 2] {
      let closeness = Closeness(scores[index], expected)
      #expect(closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "\(closeness)")
    }
  }

  @Test("in bf16 the scores are near those in float32", arguments: try Qwen25VLSample.all())
  func bfloat16(_ sample: Qwen25VLSample) throws {
    let model = try sample.model(.bf16)
    let closeness = Closeness(
      try model.scores(sample.image(), [model.sequence(sample.input)])[0], try sample.floats("scores"))
    #expect(closeness.relativeL2 < 0.05, "\(closeness)")
  }
}

@Suite("Attention windows")
struct AttentionWindowsTests {
  private struct Golden: Decodable {
    let numbers: [Int]
    let order: [Int]
    let edges: [Int]

    init(from decoder: any Decoder) throws {
      var values = try decoder.unkeyedContainer()
      numbers = try (0..<5).map { _ in try values.decode(Int.self) }
      order = try values.decode([Int].self)
      edges = try values.decode([Int].self)
    }
  }

  @Test("blocks come in transformers' order, smaller windows at the edges, grids smaller than a window too")
  func division() throws {
    let data = try Data(contentsOf: Goldens.root().appendingPathComponent("qwen2_5_vl/windows.json"))
    let goldens = try JSONDecoder().decode([Golden].self, from: data)
    #expect(goldens.count >= 30)
    for golden in goldens {
      let (rows, columns, merge) = (golden.numbers[0], golden.numbers[1], golden.numbers[2])
      let windows = AttentionWindows(side: golden.numbers[3] / merge / golden.numbers[4], fullLayers: [])
      let (order, parts) = windows.division(of: PatchGrid(rows: rows, columns: columns))
      #expect(order == golden.order, "\(golden.numbers)")
      #expect([0] + parts.map { $0.upperBound * merge * merge } == golden.edges, "\(golden.numbers)")
    }
  }

  @Test("an image that fits into one window is seen whole in every layer")
  func oneWindow() throws {
    try ModelFolder.with(copyOf: "qwen2_5_vl") { copy in
      let sample = try #require(try Qwen25VLSample.all().first { $0.folder == "qwen2_5_vl" })
      func features() throws -> [Float] {
        let model = try Qwen25VLSample.model(copy.url)
        return model.backend.read(try model.encode(sample.image(), taps: Taps()).values)
      }
      let windowed = try features()
      try copy.edit("config.json", "vision_config.window_size", "10000")
      let whole = try features()
      try copy.edit("config.json", "vision_config.fullatt_block_indexes", "[0, 1, 2]")
      #expect(Closeness(try features(), whole).relativeL2 <= 1e-6)
      #expect(Closeness(windowed, whole).relativeL2 > 1e-3)
    }
  }
}
