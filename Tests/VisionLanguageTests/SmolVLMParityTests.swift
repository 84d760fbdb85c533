import HeadImpact
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// The parity ladder of SmolVLM and Idefics3 in float32: the first test that fails is the stage that is wrong. The bounds are
/// those of docs/measures.md or, where it says nothing, those of Qwen2-VL's ladder.
@Suite("Parity of SmolVLM and Idefics3 with transformers in float32")
struct SmolVLMParityTests {
  @Test("token ids, and which of them are visual and the description's", arguments: try SmolVLMSample.all())
  func tokens(_ sample: SmolVLMSample) throws {
    let sequence = try sample.sequence(sample.model())
    #expect(try sequence.ids.map(Int.init) == sample.integers("input_ids"))
    #expect(try sequence.visual.positions == sample.integers("visual"))
    #expect(sequence.image == sequence.visual)
    #expect(try sequence.caption == sample.integers("caption"))
  }

  @Test("each layer of the vision tower, and the connector", arguments: try SmolVLMSample.all())
  func tower(_ sample: SmolVLMSample) throws {
    let model = try sample.model()
    var layers: [[Float]] = []
    let taps = Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) })
    let features = try model.encode(sample.image(), taps: taps)
    #expect(layers.count == model.configuration.vision.numHiddenLayers)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("vision.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
    let closeness = Closeness(model.backend.read(features.values), try sample.floats("vision.features"))
    #expect(closeness.relativeL2 <= 1e-5, "\(closeness)")
  }

  @Test("token embeddings, visual tokens in place", arguments: try SmolVLMSample.all())
  func embeddings(_ sample: SmolVLMSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let embedded = try sample.embeddings(model, sequence)
    #expect(try model.backend.read(embedded) == sample.floats("decoder.embeddings"))
    // The rows of a part are those of the whole.
    let part = sequence.image.ranges[0].lowerBound + 1..<sequence.ids.count - 2
    let some = model.backend.tensor(rows: part.count, columns: model.decoder.hiddenSize)
    model.embed(sequence, rows: part, visual: try sample.features(model), into: some)
    #expect(model.backend.read(some) == model.backend.read(embedded.rows(part)))
  }

  @Test("each decoder layer", arguments: try SmolVLMSample.all())
  func decoder(_ sample: SmolVLMSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let hidden = try sample.embeddings(model, sequence)
    let cache = KeyValueCache(on: model.backend)
    model.decoder.reserve(cache, rows: sequence.ids.count)
    var layers: [[Float]] = []
    try model.decoder.forward(
      hidden, layout: SequenceLayout(newPrefix: 0, segments: [sequence.ids.count]), angles: model.angles(sequence),
      cache: cache, taps: Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) }))
    #expect(layers.count == model.configuration.text.numHiddenLayers)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("decoder.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
  }

  @Test("attention scores, from the image on", arguments: try SmolVLMSample.all())
  func scores(_ sample: SmolVLMSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let expected = try sample.floats("scores")
    // A second description shares the image's rows, and changes nothing.
    let scores = try sample.scores(model, [sequence, sample.sequence(model, description: "x y"), sequence])
    for index in [0, 2] {
      let closeness = Closeness(scores[index], expected)
      #expect(closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "\(closeness)")
    }
  }

  @Test("in bf16 the scores are near those in float32", arguments: try SmolVLMSample.all())
  func bfloat16(_ sample: SmolVLMSample) throws {
    let model = try sample.model(.bf16)
    let scores = try sample.scores(model, [sample.sequence(model)])
    let closeness = Closeness(scores[0], try sample.floats("scores"))
    #expect(closeness.relativeL2 < 0.05, "\(closeness)")
  }

  @Test(
    "--views takes the scores of its views only, which are the others' part of all", arguments: ["smolvlm", "idefics3"])
  func views(folder: String) throws {
    let sample = try #require(try SmolVLMSample.all().first { $0.folder == folder })
    let model = try sample.model()
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    let all = try sample.scores(model, [sample.sequence(model)])[0]
    for selection in [HeadImpactOptions.Views.tiles, .global] {
      let chosen = try layout.selecting(selection)
      let scores = try sample.scores(model, [sample.sequence(model, layout: chosen)])[0]
      let tokens = chosen.visualTokens
      let first = selection == .tiles ? 0 : layout.visualTokens - tokens
      let expected = (0..<all.count / layout.visualTokens).flatMap { head in
        all[head * layout.visualTokens + first..<head * layout.visualTokens + first + tokens]
      }
      #expect(scores == expected, "\(selection)")
    }
  }
}

extension SmolVLMSample {
  func model(_ precision: Precision = .f32) throws -> SmolVLMModel {
    try ModelFolder.with(copyOf: folder) { copy in
      try copy.edit("preprocessor_config.json", "do_image_splitting", "\(input.splitting)")
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
      // Weights stay mapped when the copy is gone.
      let model = try ModelRegistry.load(folder: copy.url, input: InputOptions(resizing: .pillow), backend: backend)
      #expect(model.modelType == folder)
      return try #require(model as? SmolVLMModel)
    }
  }

  func sequence(
    _ model: SmolVLMModel, description: String? = nil, layout: VisualLayout? = nil
  ) throws -> TokenSequence {
    try model.sequence(
      prompt: input.prompt, description: description ?? input.description,
      layout: layout ?? model.visualLayout(width: input.width, height: input.height))
  }

  /// The goldens' features.
  func features(_ model: SmolVLMModel) throws -> VisualFeatures {
    let values = try floats("vision.features")
    return VisualFeatures(values: Tensor(values, rows: values.count / model.decoder.hiddenSize))
  }

  func embeddings(_ model: SmolVLMModel, _ sequence: TokenSequence) throws -> Tensor {
    let embedded = Tensor(
      [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize), rows: sequence.ids.count)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try features(model), into: embedded)
    return embedded
  }

  /// AS of each sequence, in one reading.
  func scores(_ model: SmolVLMModel, _ sequences: [TokenSequence]) throws -> [[Float]] {
    var scores: [[Float]] = []
    try AttentionScoreReader(model).read(
      image: image(), sequences: sequences, query: .token, normalize: .none
    ) { index, values in
      #expect(index == scores.count, "the descriptions come in order")
      scores.append(values.indices.map { values[$0] })
    }
    return scores
  }
}
