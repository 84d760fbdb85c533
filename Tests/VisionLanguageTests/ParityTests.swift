import COCO
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

/// The parity ladder in float32: one rung a stage, each from the goldens of the stage before, so that the first rung
/// that fails is the stage that is wrong. Bounds are those of docs/measures.md (Agreement) or, for other values, five to
/// fifteen times what was measured.
@Suite("Parity with transformers in float32")
struct ParityTests {
  @Test("rung 01: the image processor's pixel values", arguments: try GoldenSample.all())
  func pixelValues(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let batch = try processor(in: checkpoint(sample.folder))(sample.image())
    let grid = try open.integers("grid_thw")
    #expect(batch.grids == [PatchGrid(rows: grid[1], columns: grid[2])])
    let closeness = Closeness(batch.pixelValues, try open.floats("pixel_values"))
    #expect(closeness.maximumDifference <= 1e-6, "\(closeness)")
  }

  @Test("rung 02: token ids, and which of them are visual and the description's", arguments: try GoldenSample.all())
  func tokens(_ sample: GoldenSample) throws {
    let open = try sample.open()
    #expect(try open.model.sequence(sample.input) == open.sequence())
  }

  @Test("rung 03: multimodal position ids", arguments: try GoldenSample.all())
  func positions(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let positions = Qwen2VLPositions.positions(of: try open.sequence())
    #expect(positions.flatMap { $0.map(Int.init) } == (try open.integers("position_ids")))
  }

  @Test("rung 04: the patch embedding", arguments: try GoldenSample.all())
  func patchEmbedding(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let closeness = Closeness(try open.patchEmbedding(), try open.floats("vision.patch_embed"))
    #expect(closeness.relativeL2 <= 1e-5, "\(closeness)")
  }

  @Test("rung 05: each layer of the vision tower", arguments: try GoldenSample.all())
  func visionLayers(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let layers = try open.vision().layers
    #expect(layers.count == open.model.configuration.visionDepth)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try open.floats("vision.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
  }

  @Test("rung 06: the patch merger", arguments: try GoldenSample.all())
  func merger(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let closeness = Closeness(try open.vision().merger, try open.floats("vision.merger"))
    #expect(closeness.relativeL2 <= 1e-5, "\(closeness)")
  }

  @Test("rung 07: token embeddings, visual tokens in place", arguments: try GoldenSample.all())
  func embeddings(_ sample: GoldenSample) throws {
    let open = try sample.open()
    #expect(try open.embeddings() == open.floats("decoder.embeddings"))
  }

  @Test("rung 08: each decoder layer", arguments: try GoldenSample.all())
  func decoderLayers(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let layers = try open.decoder().layers
    #expect(layers.count == open.model.configuration.text.numHiddenLayers)
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try open.floats("decoder.layer.\(layer)"))
      #expect(closeness.relativeL2 <= 1e-5, "layer \(layer): \(closeness)")
    }
  }

  @Test("rung 09: attention from the description to the visual tokens", arguments: try GoldenSample.all())
  func attention(_ sample: GoldenSample) throws {
    let open = try sample.open()
    for (layer, weights) in try open.decoder().attention.enumerated() {
      let closeness = Closeness(
        try open.visualColumns(weights, rows: open.integers("caption")), try open.floats("attention.\(layer)"))
      #expect(closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "layer \(layer): \(closeness)")
    }
  }

  @Test("rung 10: AS, from the image on", arguments: try GoldenSample.all())
  func scores(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let closeness = Closeness(try open.scores(), try open.floats("scores"))
    #expect(closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "\(closeness)")
  }

  @Test("rung 11: the tokens that a mask covers", arguments: try GoldenSample.all())
  func tokenMask(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let (width, height) = (sample.input.width, sample.input.height)
    let pixels = (0..<width * height).map { pixel -> UInt8 in
      pixel / width < height * 5 / 9 && pixel % width < width * 5 / 9 ? 1 : 0
    }
    let mask = try TokenMask(
      of: BinaryMask(height: height, width: width, pixels: pixels),
      cells: open.model.visualLayout(width: width, height: height).visualCells)
    #expect(mask.isObject.map { $0 ? 1 : 0 } == (try open.integers("token_mask")))
  }

  @Test("rung 12: the six measures of the golden AS", arguments: try GoldenSample.all())
  func measures(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let mask = try TokenMask(open.integers("token_mask").map { $0 == 1 })
    let layout = try open.model.visualLayout(width: sample.input.width, height: sample.input.height)
    let heads = open.model.decoder.layers.count * open.model.numAttentionHeads
    let impacts = try open.floats("scores").withUnsafeBufferPointer {
      try headImpacts(scores: $0, heads: heads, mask: mask, views: layout.grids)
    }
    let closeness = Closeness(impacts.hi, try open.doubles("measures"))
    #expect(closeness.maximumDifference <= 1e-12, "\(closeness)")
  }

  @Test(
    "AS equals its definition on whole attention matrices, whatever the query row and the normalisation",
    arguments: try GoldenSample.all())
  func definition(_ sample: GoldenSample) throws {
    let open = try sample.open()
    for query in HeadImpactOptions.Query.allCases {
      for normalize in HeadImpactOptions.Normalize.allCases {
        let closeness = Closeness(
          try open.scores(query: query, normalize: normalize), try open.scoresByDefinition(query, normalize))
        #expect(
          closeness.maximumDifference <= 2e-5 && closeness.relativeL2 <= 1e-4, "\(query) \(normalize): \(closeness)")
      }
    }
  }
}

/// The same ladder in bf16, against the float32 goldens: operands rounded to 8 bits of mantissa cost 0.5 % in the
/// vision tower and 2 % at the end.
@Suite("Parity with transformers in bf16")
struct BFloat16ParityTests {
  private static let visionBound = 0.01
  private static let bound = 0.03
  /// All that this processor has.
  private static let paths = ProductInstructions.available(for: .bf16)

  @Test("the vision tower", arguments: try GoldenSample.all(), Self.paths)
  func vision(_ sample: GoldenSample, instructions: ProductInstructions) throws {
    let open = try sample.open(.bf16, instructions: instructions)
    let (layers, merger) = try open.vision()
    for (layer, hidden) in layers.enumerated() {
      let closeness = Closeness(hidden, try open.floats("vision.layer.\(layer)"))
      #expect(closeness.relativeL2 <= Self.visionBound, "layer \(layer): \(closeness)")
    }
    let closeness = Closeness(merger, try open.floats("vision.merger"))
    #expect(closeness.relativeL2 <= Self.visionBound, "merger: \(closeness)")
  }

  @Test("the decoder", arguments: try GoldenSample.all(), Self.paths)
  func decoder(_ sample: GoldenSample, instructions: ProductInstructions) throws {
    let open = try sample.open(.bf16, instructions: instructions)
    for (layer, hidden) in try open.decoder().layers.enumerated() {
      let closeness = Closeness(hidden, try open.floats("decoder.layer.\(layer)"))
      #expect(closeness.relativeL2 <= Self.bound, "layer \(layer): \(closeness)")
    }
  }

  @Test("AS, from the image on", arguments: try GoldenSample.all(), Self.paths)
  func scores(_ sample: GoldenSample, instructions: ProductInstructions) throws {
    let open = try sample.open(.bf16, instructions: instructions)
    let closeness = Closeness(try open.scores(), try open.floats("scores"))
    #expect(closeness.relativeL2 <= Self.bound, "\(closeness)")
  }

  @Test("bf16 is not float32 under another name", arguments: Self.paths)
  func rounds(instructions: ProductInstructions) throws {
    let open = try GoldenSample.all()[0].open(.bf16, instructions: instructions)
    #expect(Closeness(try open.scores(), try open.floats("scores")).relativeL2 > 1e-5)
  }
}
