import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// The parity ladder of the LLaVA families in float32: the first test that fails is the stage that is wrong. The bounds are
/// those of docs/measures.md or, where it says nothing, those of Qwen2-VL's ladder.
@Suite("Parity of LLaVA-OneVision, LLaVA-NeXT and LLaVA-1.5 with transformers in float32")
struct LlavaParityTests {
  @Test("token ids, and which of them are the image's, visual and the description's", arguments: try LlavaSample.all())
  func tokens(_ sample: LlavaSample) throws {
    let model = try sample.model()
    let chat = try model.chat.conversation(prompt: sample.input.prompt, answer: sample.input.description)
    #expect(chat.text == sample.input.text)
    let sequence = try sample.sequence(model)
    #expect(try sequence.ids.map(Int.init) == sample.integers("input_ids"))
    #expect(try sequence.image.positions == sample.integers("image"))
    #expect(try sequence.visual.positions == sample.integers("visual"))
    // The newline vectors are the image's, and stand for no part of it.
    #expect((sequence.image != sequence.visual) == (sample.folder != "llava"))
    #expect(try sequence.caption == sample.integers("caption"))
  }

  @Test(
    "each layer of the vision tower that is run, the projector, and the image's tokens",
    arguments: try LlavaSample.all())
  func tower(_ sample: LlavaSample) throws {
    let model = try sample.model()
    var layers: [[Float]] = []
    let taps = Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) })
    let features = try model.encode(sample.image(), taps: taps)
    #expect(layers.count == model.configuration.visionLayers)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try sample.floats("vision.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
    let projected = try model.projector.features(model.tower.features(of: model.images(sample.image())))
    let patches = Closeness(model.backend.read(projected), try sample.floats("vision.projected"))
    #expect(patches.relativeL2 <= 1e-5, "\(patches)")
    let tokens = Closeness(model.backend.read(features.values), try sample.floats("vision.features"))
    #expect(tokens.relativeL2 <= 1e-5, "\(tokens)")
  }

  @Test("token embeddings, image tokens in place", arguments: try LlavaSample.all())
  func embeddings(_ sample: LlavaSample) throws {
    let model = try sample.model()
    let sequence = try sample.sequence(model)
    #expect(try model.backend.read(sample.embeddings(model, sequence)) == sample.floats("decoder.embeddings"))
  }

  @Test("each decoder layer", arguments: try LlavaSample.all())
  func decoder(_ sample: LlavaSample) throws {
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

  @Test("attention scores, from the image on", arguments: try LlavaSample.all())
  func scores(_ sample: LlavaSample) throws {
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

  @Test("in bf16 the scores are near those in float32", arguments: try LlavaSample.all())
  func bfloat16(_ sample: LlavaSample) throws {
    let model = try sample.model(.bf16)
    let closeness = Closeness(
      try sample.scores(model, [sample.sequence(model)])[0], try sample.floats("scores"))
    #expect(closeness.relativeL2 < 0.05, "\(closeness)")
  }

  @Test(
    "--views takes the scores of the raster or of the whole image, which are parts of all",
    arguments: ["llava_onevision", "llava_next"])
  func views(folder: String) throws {
    let sample = try #require(try LlavaSample.all().first { $0.folder == folder })
    let model = try sample.model()
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    let all = try sample.scores(model, [sample.sequence(model)])[0]
    for selection in [HeadImpactOptions.Views.tiles, .global] {
      let chosen = try layout.selecting(selection)
      let scores = try sample.scores(model, [sample.sequence(model, layout: chosen)])[0]
      let tokens = chosen.visualTokens
      let first = selection == .tiles ? layout.visualTokens - tokens : 0
      let expected = (0..<all.count / layout.visualTokens).flatMap { head in
        all[head * layout.visualTokens + first..<head * layout.visualTokens + first + tokens]
      }
      #expect(scores == expected, "\(selection)")
    }
  }

  @Test(
    "an image of an extreme shape, of whose raster nothing or only the newlines are left",
    arguments: [(17, 5000), (5000, 17)])
  func extremes(width: Int, height: Int) throws {
    let sample = try #require(try LlavaSample.all().first { $0.folder == "llava_next" })
    let model = try sample.model()
    let layout = try model.visualLayout(width: width, height: height)
    #expect(layout.views.count == 1 && layout.visualTokens == 16)
    #expect(layout.imageTokens == (width < height ? 16 + 4 : 16))
    let image = RGBImage(width: width, height: height, pixels: [UInt8](repeating: 77, count: width * height * 3))
    #expect(try model.encode(image, taps: Taps()).values.rows == layout.imageTokens)
  }
}
