import HeadImpact
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// The parity ladder of InternVL3 and InternVL3.5 in float32: the first test that fails is the stage that is wrong. The bounds are
/// those of docs/measures.md or, where it says nothing, those of Qwen2-VL's ladder.
@Suite("Parity of InternVL with transformers in float32")
struct InternVLParityTests {
  @Test("token ids, and which of them are visual and the description's", arguments: try InternVLSample.all())
  func tokens(_ sample: InternVLSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    #expect(try sequence.ids.map(Int.init) == sample.integers("input_ids"))
    #expect(try sequence.visual.positions == sample.integers("visual"))
    #expect(sequence.image == sequence.visual && sequence.image.ranges.count == 1)
    #expect(try sequence.caption == sample.integers("caption"))
    let chat = try model.chat.conversation(prompt: sample.input.prompt, answer: sample.input.description)
    #expect(chat.text == sample.input.text)
  }

  @Test("each layer of the vision tower, class tokens included, and the projector", arguments: try InternVLSample.all())
  func tower(_ sample: InternVLSample) throws {
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
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    #expect(try layout.patches == sample.floats("vision.embeddings").count / model.configuration.vision.hiddenSize)
  }

  @Test("token embeddings, visual tokens in place", arguments: try InternVLSample.all())
  func embeddings(_ sample: InternVLSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    let embedded = try sample.embeddings(model, sequence)
    #expect(try model.backend.read(embedded) == sample.floats("decoder.embeddings"))
  }

  @Test("each decoder layer", arguments: try InternVLSample.all())
  func decoder(_ sample: InternVLSample) throws {
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

  @Test("attention scores, from the image on", arguments: try InternVLSample.all())
  func scores(_ sample: InternVLSample) throws {
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

  @Test("in bf16 the scores are near those in float32", arguments: try InternVLSample.all())
  func bfloat16(_ sample: InternVLSample) throws {
    let model = try sample.model(.bf16)
    let closeness = Closeness(
      try sample.scores(model, [sample.sequence(model)])[0], try sample.floats("scores"))
    #expect(closeness.relativeL2 < 0.05, "\(closeness)")
  }

  @Test(
    "--views takes the scores of its views only, which are the others' part of all", arguments: InternVLSample.folders)
  func views(folder: String) throws {
    let sample = try #require(try InternVLSample.all().first { $0.folder == folder })
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

  @Test("the tensor names of the other generation give the same scores")
  func otherFiles() throws {
    // What is in the old style is written in the new one, and the other way round.
    let renamings = [
      ("language_model.model.", "model.language_model."), ("language_model.lm_head.", "lm_head."),
      ("vision_tower.", "model.vision_tower."), ("multi_modal_projector.", "model.multi_modal_projector."),
    ]
    for folder in InternVLSample.folders {
      let sample = try #require(try InternVLSample.all().first { $0.folder == folder })
      let expected = try sample.scores(sample.model(), [sample.sequence(sample.model())])[0]
      try ModelFolder.with(copyOf: folder) { copy in
        try copy.write(
          copy.tensors().map { tensor in
            for (old, new) in renamings.map({ folder == "internvl" ? $0 : ($0.1, $0.0) })
            where tensor.name.hasPrefix(old) {
              return tensor.named(new + tensor.name.dropFirst(old.count))
            }
            return tensor
          })
        let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2))
        let model = try #require(
          try ModelRegistry.load(folder: copy.url, input: InputOptions(resizing: .pillow), backend: backend)
            as? InternVLModel)
        #expect(try sample.scores(model, [sample.sequence(model)])[0] == expected, "\(folder)")
      }
    }
  }
}
