import IO
import ImageInput
import Kernels
import Transformer
import VisionLanguage

/// Answers questions about an image: the vision pass once, the keys and values of what the questions have in common
/// once, then all their hypotheses together, one row each a step, for one reading of the weights.
public final class TextGenerator {
  /// What was generated.
  public struct Answer: Equatable, Sendable {
    /// With the stop token, where there was one.
    public let ids: [Int32]
    public let text: String
  }

  /// A question about an image, and the id of its example, on which what is drawn depends.
  public struct Question: Sendable {
    public let id: Int64
    public let tokens: TokenSequence

    public init(id: Int64, tokens: TokenSequence) { (self.id, self.tokens) = (id, tokens) }
  }

  /// Hypotheses that one pass computes: more don't make it much faster.
  private static let hypothesesAtATime = 32
  /// Rows of the cache for their tokens: of a model of 2 billion parameters these take 230 MB.
  private static let answerRows = 4096
  /// Bytes of the cache for what questions don't share: all of each, where image and prompt see themselves both ways.
  private static let questionBytes = 1 << 29

  private let model: any VisionLanguageModel
  private let options: DecodingOptions
  private let repetitionPenalty: Double
  private let cache: KeyValueCache
  private let hidden = ScratchTensor()

  public init(_ model: any VisionLanguageModel, options: DecodingOptions) {
    self.model = model
    cache = KeyValueCache(on: model.backend)
    self.options = options
    repetitionPenalty = options.repetitionPenalty ?? model.generation.repetitionPenalty
  }

  public func layout(of image: RGBImage) throws -> VisualLayout {
    try model.visualLayout(width: image.width, height: image.height)
  }

  public func question(_ prompt: String, id: Int64, layout: VisualLayout) throws -> Question {
    // The last new token is never given to the model.
    Question(
      id: id, tokens: try model.question(prompt: prompt, layout: layout, answerTokens: options.maxNewTokens - 1))
  }

  /// - Parameters:
  ///   - visual: of the image, if it has been encoded; what a new encoding gives has the same bits.
  ///   - poll: called after each layer of the vision tower and the decoder; a thrown error ends the work.
  /// - Throws: `OneDNNError`, `NotFiniteScores`, and what `poll` throws.
  public func answers(
    to requests: [Question], about image: RGBImage, encoded visual: VisualFeatures? = nil,
    poll: @escaping () throws -> Void = {}
  ) throws -> [Answer] {
    guard !requests.isEmpty else { return [] }
    let taps = Taps(afterLayer: { _, _ in try poll() })
    let visual = try visual ?? model.encode(image, taps: taps)
    // Each question has at least one row of its own.
    let prefix = model.sharedPrefix(of: requests.map(\.tokens)) { $0.ids.count - 1 }
    let groups = groups(of: requests, prefix: prefix)
    let plans = groups.map { CachePlan(prefix: prefix, questions: $0.map(\.tokens), options) }
    model.decoder.reserve(cache, rows: plans.map(\.rows).max() ?? 0)
    var answers: [Answer] = []
    for (group, plan) in zip(groups, plans) {
      answers += try answer(
        group, plan, cachedPrefix: answers.isEmpty ? 0 : prefix, visual: visual, taps: taps
      ).map { ids in
        let content = ids.last.map(model.stopTokens.contains) == true ? Array(ids.dropLast()) : ids
        return Answer(ids: ids, text: model.text(of: content))
      }
    }
    return answers
  }

  /// Consecutive questions that one pass answers.
  private func groups(of requests: [Question], prefix: Int) -> [[Question]] {
    let size = max(1, min(Self.hypothesesAtATime, Self.answerRows / options.maxNewTokens) / options.beams)
    let dimensions = model.dimensions
    let rowBytes = 2 * dimensions.layers * dimensions.keyValueWidth * ElementType.f32.byteCount
    var groups: [[Question]] = []
    var bytes = 0
    for request in requests {
      let own = (request.tokens.ids.count - prefix) * (1 + options.beams) * rowBytes
      if let last = groups.last, last.count < size, bytes + own <= Self.questionBytes {
        groups[groups.count - 1].append(request)
        bytes += own
      } else {
        groups.append([request])
        bytes = own
      }
    }
    return groups
  }

  /// The same of prompts, each with the id of its example.
  func answers(
    image: RGBImage, prompts: [(id: Int64, text: String)], poll: @escaping () throws -> Void = {}
  ) throws -> [Answer] {
    let layout = try layout(of: image)
    let questions = try prompts.map { try question($0.text, id: $0.id, layout: layout) }
    return try answers(to: questions, about: image, poll: poll)
  }

  private func answer(
    _ requests: [Question], _ plan: CachePlan, cachedPrefix: Int, visual: VisualFeatures, taps: Taps
  ) throws -> [[Int32]] {
    var answers = requests.enumerated().map { index, request in
      AnswerContext(
        request.tokens, angles: angles(of: request.tokens),
        search: AnswerSearch(
          options, stopTokens: model.stopTokens, example: request.id,
          penalty: RepetitionPenalty(repetitionPenalty, question: request.tokens.ids)),
        rows: plan.ownRows[index], slots: plan.slots(of: index))
    }
    var logits = try prefill(answers, plan, cachedPrefix: cachedPrefix, visual: visual, taps: taps)
    while true {
      var row = 0
      for index in answers.indices where !answers[index].hypotheses.isEmpty {
        let count = answers[index].hypotheses.count
        answers[index].advance((row..<row + count).map { scores(of: $0, in: logits) }, cache: cache)
        row += count
      }
      let going = answers.filter { !$0.hypotheses.isEmpty }
      if going.isEmpty { return answers.map(\.search.best) }
      logits = try step(going, prefix: plan.prefix, visual: visual, taps: taps)
    }
  }

  /// The angles of a question and of any answer to it: those of an answer's rows don't depend on its tokens.
  private func angles(of question: TokenSequence) -> [RotaryAngles] {
    model.angles(question.appending([Int32](repeating: 0, count: options.maxNewTokens)))
  }

  /// Computes the questions' rows, and puts each question's own ones where its first hypothesis has its place.
  private func prefill(
    _ answers: [AnswerContext], _ plan: CachePlan, cachedPrefix: Int, visual: VisualFeatures, taps: Taps
  ) throws -> [Float] {
    let layout = SequenceLayout(
      cachedPrefix: cachedPrefix, newPrefix: plan.prefix - cachedPrefix, segments: plan.ownRows,
      outputRowsAtEnd: plan.ownRows.map { _ in 1 })
    let logits = try run(layout, answers.map { ($0.question, $0.angles) }, visual: visual, taps: taps)
    var start = plan.prefix
    for (answer, own) in zip(answers, plan.ownRows) {
      cache.copy(rows: own, from: start, to: answer.hypotheses[0].slot)
      start += own
    }
    return logits
  }

  /// Computes the last row of every hypothesis.
  private func step(
    _ answers: [AnswerContext], prefix: Int, visual: VisualFeatures, taps: Taps
  ) throws -> [Float] {
    var slots: [CacheSlot] = []
    var sequences: [(TokenSequence, [RotaryAngles])] = []
    for answer in answers {
      for hypothesis in answer.hypotheses {
        let sequence = answer.question.appending(hypothesis.tokens)
        slots.append(CacheSlot(start: hypothesis.slot, cachedRows: sequence.ids.count - 1 - prefix))
        sequences.append((sequence, answer.angles))
      }
    }
    let layout = SequenceLayout(cachedPrefix: prefix, segments: slots.map { _ in 1 }, slots: slots)
    return try run(layout, sequences, visual: visual, taps: taps)
  }

  /// One pass of the decoder.
  ///
  /// - Returns: the scores of the next token behind each row whose output matters, [rows, vocabulary].
  private func run(
    _ layout: SequenceLayout, _ sequences: [(tokens: TokenSequence, angles: [RotaryAngles])], visual: VisualFeatures,
    taps: Taps
  ) throws -> [Float] {
    let pass = model.pack(
      sequences.map(\.tokens), layout: layout, angles: sequences.map(\.angles), visual: visual, into: hidden)
    try model.decoder.forward(
      pass.hidden, layout: pass.layout, angles: pass.angles, cache: cache, additions: pass.additions, taps: taps)
    let outputs = pass.hidden.rows(0..<(layout.outputs?.count ?? layout.rows))
    let logits = model.backend.read(try model.outputHead.logits(outputs))
    guard logits.allSatisfy(\.isFinite) else {
      throw NotFiniteScores()
    }
    return logits
  }

  /// The scores of one row.
  private func scores(of row: Int, in logits: [Float]) -> ArraySlice<Float> {
    let size = model.outputHead.outputs
    return logits[row * size..<(row + 1) * size]
  }
}

/// The model gives a sample no finite scores.
public struct NotFiniteScores: ContentFault, CustomStringConvertible, Equatable {
  public var description: String {
    "the model's scores of the next token are not finite numbers. Are the model's weights intact?"
  }
}
