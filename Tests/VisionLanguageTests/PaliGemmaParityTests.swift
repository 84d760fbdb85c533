import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// The parity ladder of PaliGemma and PaliGemma 2 in float32: the first test that fails is the stage that is wrong. The bounds are
/// those of docs/measures.md or, where it says nothing, those of Qwen2-VL's ladder.
@Suite("Parity of PaliGemma and PaliGemma 2 with transformers in float32")
struct PaliGemmaParityTests {
  @Test("token ids, and which of them are visual and the description's", arguments: try PaliGemmaSample.all())
  func tokens(_ sample: PaliGemmaSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    #expect(try sequence.ids.map(Int.init) == sample.integers("input_ids"))
    #expect(try sequence.visual.positions == sample.integers("visual"))
    #expect(sequence.image == sequence.visual)
    #expect(try sequence.caption == sample.integers("caption"))
    #expect(sequence.answerStart == sequence.caption.first)
    // A question is all that comes before the answer, whatever the answer begins with.
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    let question = try model.question(prompt: sample.input.prompt, layout: layout)
    #expect(question.ids == Array(sequence.ids.prefix(sequence.answerStart)))
    #expect(question.answerStart == question.ids.count)
    #expect(question.appending([5, 6]).answerStart == question.ids.count)
  }

  @Test("each layer of the vision tower, and the projector", arguments: try PaliGemmaSample.all())
  func tower(_ sample: PaliGemmaSample) throws {
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

  @Test(
    "token embeddings times the root of the width, visual tokens in place as they are",
    arguments: try PaliGemmaSample.all())
  func embeddings(_ sample: PaliGemmaSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let embedded = try sample.embeddings(model, sequence)
    #expect(try model.backend.read(embedded) == sample.floats("decoder.embeddings"))
  }

  @Test("positions count from 1", arguments: try PaliGemmaSample.all())
  func positions(_ sample: PaliGemmaSample) throws {
    let positions = try sample.integers("positions")
    #expect(positions == Array(1...positions.count))
    let model = try sample.model()
    let angles = try model.angles(sample.sequence(model))
    let text = model.configuration.text
    let expected = RotaryAngles.sequential(
      1..<positions.count + 1, headDim: text.headDim, theta: model.configuration.ropeTheta)
    #expect(angles.count == 1 && angles[0].cosines == expected.cosines && angles[0].sines == expected.sines)
  }

  @Test("each decoder layer, and the output head", arguments: try PaliGemmaSample.all())
  func decoder(_ sample: PaliGemmaSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let hidden = try sample.embeddings(model, sequence)
    let cache = KeyValueCache(on: model.backend)
    model.decoder.reserve(cache, rows: sequence.ids.count)
    var layers: [[Float]] = []
    try model.decoder.forward(
      hidden, layout: model.withBlocks(SequenceLayout(newPrefix: sequence.ids.count), of: [sequence]),
      angles: model.angles(sequence), cache: cache,
      taps: Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) }))
    #expect(layers.count == model.configuration.text.numHiddenLayers)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("decoder.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
    let row = try #require(sequence.caption.last) - 1
    let logits = model.backend.read(try model.outputHead.logits(hidden.rows(row..<row + 1)))
    let closeness = Closeness(logits, try sample.floats("logits"))
    #expect(closeness.relativeL2 <= 1e-5, "\(closeness)")
  }

  @Test(
    "attention scores from the image on, of either row, alone and among others", arguments: try PaliGemmaSample.all(),
    [(HeadImpactOptions.Query.token, "scores"), (.predicting, "scores.predicting")])
  func scores(_ sample: PaliGemmaSample, _ row: (query: HeadImpactOptions.Query, golden: String)) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let expected = try sample.floats(row.golden)
    let other = try sample.sequence(model, description: "x y")
    // Other descriptions share the prompt's rows, and change nothing; one a pass, the others find them in the cache.
    for (sequences, heldScores) in [
      ([sequence], 1 << 26), ([other, sequence, other], 1 << 26), ([other, sequence, other], 1),
    ] {
      let all = try model.scores(sample.image(), sequences, query: row.query, heldScores: heldScores)
      let scores = try #require(all.dropFirst(sequences.count / 2).first)
      let closeness = Closeness(scores, expected)
      #expect(closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "\(closeness)")
    }
    // The rows apart, whose mean is AS.
    let rows = try AttentionScoreReader(model).readRows(
      image: sample.image(), sequence: sequence, query: row.query, normalize: .none)
    let mean = expected.indices.map { index in
      stride(from: index, to: rows.count, by: expected.count).reduce(Float(0)) { $0 + rows[$1] }
        / Float(sequence.caption.count)
    }
    let closeness = Closeness(mean, expected)
    #expect(closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "\(closeness)")
  }

  @Test("a window hides the image's first tokens from the answer on sliding layers, and nothing from the prompt")
  func window() throws {
    let sample = try #require(try PaliGemmaSample.all().first { $0.folder == "paligemma2" })
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let scores = try model.scores(sample.image(), [sequence])[0]
    let (tokens, heads) = (sequence.visual.count, model.numAttentionHeads)
    let size = try #require(model.configuration.text.windows[0])
    #expect(model.configuration.text.windows == [size, nil, size])
    // The answer's first token sees the most of the image.
    let hidden = sequence.answerStart - size + 1
    #expect(hidden > 0 && hidden < tokens)
    for layer in 0..<3 {
      for head in 0..<heads {
        let own = Array(scores[(layer * heads + head) * tokens..<(layer * heads + head + 1) * tokens])
        #expect(own.map { $0 == 0 } == (0..<tokens).map { layer != 1 && $0 < hidden }, "layer \(layer), head \(head)")
      }
    }
  }

  @Test("in bf16 the scores are near those in float32", arguments: try PaliGemmaSample.all())
  func bfloat16(_ sample: PaliGemmaSample) throws {
    let model = try sample.model(.bf16)
    let scores = try model.scores(sample.image(), [sample.sequence(model)])
    let closeness = Closeness(scores[0], try sample.floats("scores"))
    #expect(closeness.relativeL2 < 0.05, "\(closeness)")
  }

  @Test(
    "descriptions of several prompts about one image have the losses that each has alone",
    arguments: PaliGemmaSample.folders)
  func losses(_ folder: String) throws {
    let sample = try #require(try PaliGemmaSample.all().first { $0.folder == folder })
    let model = try sample.model()
    let sequences = try [
      ("caption en", "a dog"), ("caption en", "two dogs on a hill"), ("caption e", "a dog"), ("", "a"),
    ].map { try sample.sequence(model, prompt: $0.0, description: $0.1) }
    let ablations = [AblatedHeads([(1, 2)])]
    let reader = DescriptionLossReader(model)
    let together = try reader.read(image: sample.image(), sequences: sequences, ablations: ablations)
    let same = try reader.read(image: sample.image(), sequences: Array(sequences[..<2]), ablations: ablations)
    for (index, sequence) in sequences.enumerated() {
      let alone = try reader.read(image: sample.image(), sequences: [sequence], ablations: ablations)
      for (run, losses) in alone.enumerated() {
        #expect(abs(losses[0] - together[run][index]) <= 1e-5 * losses[0], "description \(index)")
        if index < 2 { #expect(abs(losses[0] - same[run][index]) <= 1e-5 * losses[0], "description \(index)") }
      }
    }
    // The first two share their prompt; with another prompt no row is the same.
    #expect(model.sharedRows(of: Array(sequences[..<2])) { $0.caption[0] - 1 }.repeated == 1)
    #expect(model.sharedRows(of: sequences) { $0.caption[0] - 1 } == SharedRows(prefix: 0, repeated: 0))
    #expect(model.sharedRows(of: sequences) { $0.caption[0] } == SharedRows(prefix: 0, repeated: 0))
  }
}
