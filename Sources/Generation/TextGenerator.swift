import ImageInput
import Kernels
import TensorCore
import Transformer
import VisionLanguage

/// Answers to questions about one image: the vision pass and what the questions have in common are computed once, then each
/// answer grows token by token on the key-value cache.
final class TextGenerator {
  /// What was generated.
  struct Answer: Equatable, Sendable {
    /// With the stop token, where there was one.
    let ids: [Int32]
    let text: String
  }

  private let model: any VisionLanguageModel
  private let options: DecodingOptions
  private let cache = KeyValueCache()
  private var hidden = AlignedBuffer<Float>()

  init(_ model: any VisionLanguageModel, options: DecodingOptions) {
    self.model = model
    self.options = options
  }

  /// - Parameters:
  ///   - prompts: each with the id of its example, on which what is drawn depends.
  ///   - poll: called after each layer of the first passes and after each token; a thrown error ends the pass.
  /// - Throws: `OneDNNError`, an image or tokenizer error, and what `poll` throws.
  func answers(
    image: RGBImage, prompts: [(id: Int64, text: String)], poll: @escaping () throws -> Void = {}
  ) throws -> [Answer] {
    let layout = try model.visualLayout(width: image.width, height: image.height)
    let questions = try prompts.map { try model.question(prompt: $0.text, visualTokens: layout.visualTokens) }
    let taps = Taps(hiddenState: { _, _ in try poll() })
    let visual = try model.encode(image, taps: taps)
    let shared = Self.sharedRows(questions)
    let longest = questions.map(\.ids.count).max() ?? 0
    // Beams move to other slots as they are chosen, so there is a second set of them.
    let slots = options.beams == 1 ? 1 : 2 * options.beams
    model.decoder.reserve(cache, rows: longest + slots * options.maxNewTokens)
    var cached = 0
    return try zip(prompts, questions).map { prompt, question in
      let logits = try prefill(question, cached: cached, visual: visual, taps: taps)
      cached = shared
      let ids =
        options.beams == 1
        ? try sampled(question, first: logits, visual: visual, id: prompt.id, poll: poll)
        : try searched(question, first: logits, visual: visual, poll: poll)
      let content = ids.last.map(model.stopTokens.contains) == true ? Array(ids.dropLast()) : ids
      return Answer(ids: ids, text: model.text(of: content))
    }
  }

  /// Rows at the start that all questions share; each has one row at least to itself.
  private static func sharedRows(_ questions: [TokenSequence]) -> Int {
    guard let first = questions.first else { return 0 }
    return questions.reduce(first.ids.count - 1) { shared, question in
      min(shared, question.ids.count - 1, zip(question.ids, first.ids).prefix { $0 == $1 }.count)
    }
  }

  /// The scores of the first token.
  private func prefill(
    _ question: TokenSequence, cached: Int, visual: VisualFeatures, taps: Taps
  ) throws -> [Float] {
    let rows = cached..<question.ids.count
    hidden.reserve(rows.count * model.decoder.hiddenSize)
    model.embed(question, rows: rows, visual: visual, into: hidden.base)
    try model.decoder.forward(
      hidden.base, layout: SequenceLayout(cachedPrefix: cached, newPrefix: rows.count, outputTails: [1]),
      angles: model.angles(question, grid: visual.grid).rows(rows), cache: cache, taps: taps)
    return try model.outputHead.logits(hidden.base, rows: 1)
  }

  /// The scores of the token after each of some sequences, whose last token is new.
  ///
  /// - Parameter slots: where in the cache each has its rows.
  /// - Shape: the result [sequences.count, vocabulary].
  private func step(
    _ question: TokenSequence, _ sequences: [[Int32]], slots: [Int], visual: VisualFeatures
  ) throws -> [Float] {
    let size = model.decoder.hiddenSize
    let prompt = question.ids.count
    hidden.reserve(sequences.count * size)
    var angles: RotaryAngles?
    for (index, tokens) in sequences.enumerated() {
      let sequence = question.appending(tokens)
      let last = sequence.ids.count - 1
      model.embed(sequence, rows: last..<last + 1, visual: visual, into: hidden.base + index * size)
      let row = model.angles(sequence, grid: visual.grid).rows(last..<last + 1)
      if angles == nil { angles = row } else { angles?.append(row) }
    }
    guard let angles else { return [] }
    let layout = SequenceLayout(
      cachedPrefix: prompt, segments: [Int](repeating: 1, count: sequences.count),
      places: zip(sequences, slots).map { tokens, slot in
        SequenceLayout.Place(start: prompt + slot * options.maxNewTokens, cachedRows: tokens.count - 1)
      })
    try model.decoder.forward(hidden.base, layout: layout, angles: angles, cache: cache)
    return try model.outputHead.logits(hidden.base, rows: sequences.count)
  }

  private func sampled(
    _ question: TokenSequence, first: [Float], visual: VisualFeatures, id: Int64, poll: () throws -> Void
  ) throws -> [Int32] {
    var tokens: [Int32] = []
    var logits = first
    while true {
      let token =
        options.temperature == 0
        ? TokenChoice.greedy(logits[...])
        : TokenChoice.sample(
          logits[...], temperature: options.temperature, topP: options.topP,
          unit: TokenChoice.unit(seed: options.seed, example: id, step: tokens.count))
      tokens.append(token)
      if model.stopTokens.contains(token) || tokens.count == options.maxNewTokens { return tokens }
      logits = try step(question, [tokens], slots: [0], visual: visual)
      try poll()
    }
  }

  private func searched(
    _ question: TokenSequence, first: [Float], visual: VisualFeatures, poll: () throws -> Void
  ) throws -> [Int32] {
    var search = BeamSearch(
      beams: options.beams, stopTokens: model.stopTokens, maxNewTokens: options.maxNewTokens)
    search.advance([TokenChoice.logSoftmax(first[...])])
    var slots = [0]
    var isSecondSet = false
    let prompt = question.ids.count
    while !search.isDone {
      // Each beam's rows follow it from its parent's slot to its own.
      let next = search.running.indices.map { $0 + (isSecondSet ? options.beams : 0) }
      let rows = (search.running.first?.tokens.count ?? 1) - 1
      if rows > 0 {
        for (beam, slot) in zip(search.running, next) {
          cache.copy(
            rows: rows, from: prompt + slots[beam.parent] * options.maxNewTokens,
            to: prompt + slot * options.maxNewTokens)
        }
      }
      slots = next
      isSecondSet.toggle()
      let logits = try step(question, search.running.map(\.tokens), slots: slots, visual: visual)
      let size = logits.count / slots.count
      search.advance(slots.indices.map { TokenChoice.logSoftmax(logits[$0 * size..<($0 + 1) * size]) })
      try poll()
    }
    return search.best
  }
}
