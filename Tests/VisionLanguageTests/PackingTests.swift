import HeadImpact
import ImageInput
import Kernels
import Safetensors
import TestSupport
import Testing

@testable import Transformer
@testable import VisionLanguage

@Suite("Several descriptions in one pass")
struct PackingTests {
  /// Some alike, some the beginning of others, some long.
  private static let descriptions = [
    "a", "a large red circle", "a large", "a", "zwei Hunde — neben ☕", "a large red circle and two small green squares",
  ]

  private struct Case {
    let model: Qwen2VLModel
    let image: RGBImage
    let sequences: [TokenSequence]

    init(_ folder: String) throws {
      let sample = try GoldenSample.samples(of: folder)[0]
      let model = try loadModel(checkpoint(folder))
      self.model = model
      image = try sample.image()
      sequences = try descriptions.map { try model.sequence(sample.input, description: $0) }
    }
  }

  private static func choices() -> [(HeadImpactOptions.Query, HeadImpactOptions.Normalize)] {
    HeadImpactOptions.Query.allCases.flatMap { query in
      HeadImpactOptions.Normalize.allCases.map { (query, $0) }
    }
  }

  /// Other shapes are other roundings: a fifth of what Agreement allows. Scores of each row's own sum on the visual
  /// tokens, a tenth or so, are its weights many times over.
  private func expectEqual(_ packed: [[Float]], _ alone: [[Float]], _ what: String, bound: Double = 4e-6) {
    #expect(packed.count == alone.count)
    for (index, pair) in zip(packed, alone).enumerated() {
      let closeness = Closeness(pair.0, pair.1)
      #expect(closeness.maximumDifference <= bound, "\(what), description \(index): \(closeness)")
    }
  }

  @Test("give the scores that each gives alone", arguments: GoldenSample.folders)
  func alone(_ folder: String) throws {
    let open = try Case(folder)
    for (query, normalize) in Self.choices() {
      let packed = try open.model.scores(open.image, open.sequences, query: query, normalize: normalize)
      let alone = try open.sequences.map {
        try open.model.scores(open.image, [$0], query: query, normalize: normalize)[0]
      }
      expectEqual(packed, alone, "\(query) \(normalize)", bound: normalize == .none ? 4e-6 : 1e-5)
    }
  }

  /// The row that predicts a description's first token is then the image's last.
  @Test("that follow the image at once give the scores of one whole pass")
  func behindTheImage() throws {
    let sample = try GoldenSample.samples(of: "nested")[0]
    let (image, folder) = (try sample.image(), try ModelFolder(of: "nested"))
    defer { folder.remove() }
    try folder.write(
      "{% for m in messages %}{% if m.role == 'user' %}{{ m.content[1].text }}<|vision_start|><|image_pad|>{% else %}"
        + "{{ m.content[0].text }}{% endif %}{% endfor %}", to: "template.jinja")
    let model = try Qwen2VLModel(
      folder: folder.url, input: InputOptions(chatTemplate: folder.file("template.jinja")),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
    let sequences = try Self.descriptions.map { try model.sequence(sample.input, description: $0) }
    let packed = try model.scores(image, sequences, query: .predicting)
    let whole = try sequences.map { sequence in
      let rows = sequence.queryRows(.predicting)
      #expect(rows[0] == sequence.image.end - 1)
      let heads = model.numAttentionHeads
      let sums = model.backend.tensor(rows: model.decoder.layers.count * heads, columns: sequence.visual.count)
      model.backend.zero(sums)
      let (hidden, cache) = (ScratchTensor(), KeyValueCache(on: model.backend))
      let layout = SequenceLayout(newPrefix: 0, segments: [sequence.ids.count])
      model.decoder.reserve(cache, rows: layout.rows)
      let pass = try model.pack(
        [sequence], layout: layout, visual: model.encode(image, taps: Taps()), into: hidden)
      let taps = Taps(attentionSums: { layer in
        AttentionSums(
          sums: sums, keys: sequence.visual.ranges, normalises: false,
          rows: rows.map { AttentionSums.Row(query: $0, row: layer * heads, divisor: Float(rows.count)) })
      })
      try model.decoder.forward(pass.hidden, layout: pass.layout, angles: pass.angles, cache: cache, taps: taps)
      return model.backend.read(sums)
    }
    expectEqual(packed, whole, "behind the image")
  }

  @Test("rows kept apart have AS as their mean", arguments: GoldenSample.folders)
  func rows(_ folder: String) throws {
    let open = try Case(folder)
    let sequence = open.sequences[5]
    for (query, normalize) in Self.choices() {
      let scores = try open.model.scores(open.image, [sequence], query: query, normalize: normalize)[0]
      let rows = try AttentionScoreReader(open.model).readRows(
        image: open.image, sequence: sequence, query: query, normalize: normalize)
      let count = sequence.caption.count
      #expect(count > 5 && rows.count == count * scores.count)
      let means = scores.indices.map { at in
        (0..<count).reduce(Float(0)) { $0 + rows[$1 * scores.count + at] } / Float(count)
      }
      let closeness = Closeness(means, scores)
      #expect(closeness.relativeL2 <= 1e-5, "\(query) \(normalize): \(closeness)")
      #expect(rows[..<scores.count] != rows[scores.count..<2 * scores.count])
    }
  }

  @Test("each token of a description knows its characters", arguments: GoldenSample.folders)
  func spans(_ folder: String) throws {
    for (sequence, description) in zip(try Case(folder).sequences, Self.descriptions) {
      let scalars = description.unicodeScalars.count
      #expect(sequence.captionSpans.count == sequence.caption.count)
      #expect(Set(sequence.captionSpans.flatMap { Array($0) }) == Set(0..<scalars), "\(description)")
      for (one, next) in zip(sequence.captionSpans, sequence.captionSpans.dropFirst()) {
        #expect(one.lowerBound <= next.lowerBound && !one.isEmpty && !next.isEmpty)
      }
    }
  }

  @Test(
    "that don't fit one pass give the same scores in several, on the prefix's cached keys and values",
    arguments: GoldenSample.folders, [1, 5, 30])
  func groups(_ folder: String, captionRows: Int) throws {
    let open = try Case(folder)
    for (query, normalize) in Self.choices() {
      let together = try open.model.scores(open.image, open.sequences, query: query, normalize: normalize)
      let grouped = try open.model.scores(
        open.image, open.sequences, query: query, normalize: normalize, captionRows: captionRows)
      expectEqual(grouped, together, "\(query) \(normalize)", bound: normalize == .none ? 4e-6 : 1e-5)
    }
  }

  @Test("whose scores don't fit the memory set aside give the same scores in several passes")
  func heldScores() throws {
    let open = try Case("nested")
    let together = try open.model.scores(open.image, open.sequences)
    // Two descriptions' scores, and part of a third's.
    expectEqual(
      try open.model.scores(open.image, open.sequences, heldScores: together[0].count * 5 / 2), together, "two a pass")
    expectEqual(try open.model.scores(open.image, open.sequences, heldScores: 1), together, "one a pass")
  }

  @Test("give the same scores in bf16, to its own rounding")
  func bfloat16() throws {
    let sample = try GoldenSample.samples(of: "nested")[0]
    let model = try loadModel(checkpoint("nested"), .bf16)
    let sequences = try Self.descriptions.map { try model.sequence(sample.input, description: $0) }
    let packed = try model.scores(sample.image(), sequences)
    for (index, sequence) in sequences.enumerated() {
      let closeness = Closeness(packed[index], try model.scores(sample.image(), [sequence])[0])
      #expect(closeness.relativeL2 <= 1e-2, "description \(index): \(closeness)")
    }
  }

  @Test("one reader gives the same again after another image")
  func reuse() throws {
    let samples = try GoldenSample.samples(of: "nested")
    let model = try loadModel(checkpoint("nested"))
    let reader = AttentionScoreReader(model)
    func scores(_ sample: GoldenSample) throws -> [Float] {
      var scores: [Float] = []
      try reader.read(
        image: sample.image(), sequences: [model.sequence(sample.input)], query: .token, normalize: .none
      ) { scores = $1.withUnsafeBufferPointer { Array($0) } }
      return scores
    }
    let before = try scores(samples[1])
    _ = try scores(samples[0])
    #expect(try scores(samples[1]) == before)
  }

  @Test("no description, no pass")
  func nothing() throws {
    let open = try Case("odd")
    #expect(try open.model.scores(open.image, []).isEmpty)
  }

  @Test("an error thrown between layers ends the pass there")
  func poll() throws {
    struct Stop: Error {}
    let open = try Case("odd")
    // Three vision layers, then the decoder's; the last of these ends with its weights.
    for last in 1...5 {
      var calls = 0
      #expect(throws: Stop.self) {
        try AttentionScoreReader(open.model).read(
          image: open.image, sequences: open.sequences, query: .token, normalize: .none,
          afterLayer: {
            calls += 1
            if calls == last { throw Stop() }
          }
        ) { _, _ in Issue.record("a stopped pass has no scores") }
      }
      #expect(calls == last)
    }
  }

  @Test("an image of more patches than one piece of the MLP takes gives the features of a whole pass, and its scores")
  func large() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.edit("preprocessor_config.json", "size.longest_edge", "4000000")
    let model = try loadModel(folder.url)
    let (width, height) = (28 * 20, 28 * 16)
    var state: UInt32 = 1
    let pixels = (0..<width * height * 3).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    let layout = try model.visualLayout(width: width, height: height)
    #expect(layout.patches == 1280 && layout.visualTokens == 320)
    let tower = Qwen2VLVisionTower(
      qwenLoader(try SafetensorsCheckpoint(folder: folder.url)), model.configuration.tower, backend: model.backend)
    tower.encoder.rowsAtATime = 1280
    let whole = model.backend.read(try tower.features(of: processor(in: folder.url)(image)))
    let features = Closeness(model.backend.read(try model.encode(image, taps: Taps()).values), whole)
    #expect(features.relativeL2 <= 1e-6, "\(features)")

    let sequences = try ["a dog", "two green triangles"].map {
      try model.sequence(prompt: "What is this?", description: $0, layout: layout)
    }
    let packed = try model.scores(image, sequences)
    for (index, sequence) in sequences.enumerated() {
      let closeness = Closeness(packed[index], try model.scores(image, [sequence])[0])
      #expect(closeness.maximumDifference <= 1e-6, "description \(index): \(closeness)")
      // Each head's attention on the visual tokens is a part of 1.
      for head in 0..<16 {
        let total = packed[index][head * 320..<(head + 1) * 320].reduce(0, +)
        #expect(total > 0 && total <= 1.0001)
      }
    }
  }
}
