import IO
import ImageInput
import Kernels
import Transformer
import VisionLanguage

/// Pictures whose questions are answered together: a pass of the decoder takes the next token of every hypothesis of every
/// answer, and the rows of a picture that is new, for one reading of the weights.
///
/// No row of a pass depends on the others, so an answer has the same bits whatever else is in the batch.
///
/// The cache has room for all pictures beside each other. A picture's rows are taken when it is begun and given back as its
/// answers end; one that finds no room waits.
public final class AnswerBatch {
  /// What became of a question.
  public enum Outcome {
    case answer(TextGenerator.Answer)
    /// The picture or the model's scores can't be used.
    case fault(any ContentFault)
  }

  /// A picture all of whose questions are done.
  public struct Finished {
    /// What `add` was given.
    public let key: Int
    /// One a question, in their order.
    public let outcomes: [Outcome]
  }

  /// A picture before and after it is encoded.
  private enum Shown {
    case image(PreparedImage)
    case features(VisualFeatures)
  }

  private struct Picture {
    /// nil once its last question has been begun.
    var shown: Shown?
    let questions: [TextGenerator.Question]
    /// Rows that all questions begin with.
    let prefixRows: Int
    /// Rows of the cache for each question's hypotheses.
    let questionRows: [Int]
    /// The rows of the cache for what its questions have in common; nil until it is begun.
    var prefix: Range<Int>?
    /// How many of its questions have been begun, or can't be.
    var begun = 0
    var outcomes: [Outcome?]

    /// Rows of a question behind the prefix.
    func ownRows(_ question: Int) -> Int { questions[question].tokens.ids.count - prefixRows }
  }

  /// Hypotheses that one pass takes: more don't make it faster, and a vocabulary of 150,000 takes 40 MB for their scores.
  private static let mostHypotheses = 64
  /// Bytes of the cache, unless a single picture takes more.
  static let mostBytes = 1 << 31

  private let model: any VisionLanguageModel
  private let options: DecodingOptions
  private let repetitionPenalty: Double
  private let cache: KeyValueCache
  private let hidden: ScratchTensor
  private let mostBytes: Int
  private let times: PassTimes
  private var arena = RowArena(rows: 0)
  /// Whether pictures have become so large that a batch of them doesn't fit: then the cache is made larger once it is empty.
  private var isTooSmall = false
  /// By key.
  private var pictures: [Int: Picture] = [:]
  /// The keys of pictures with questions that have not been begun, in the order of `add`.
  private var waiting: [Int] = []
  private var answers: [AnswerContext] = []

  init(
    _ model: any VisionLanguageModel, _ options: DecodingOptions, cache: KeyValueCache, hidden: ScratchTensor,
    mostBytes: Int = AnswerBatch.mostBytes, times: PassTimes = PassTimes()
  ) {
    self.model = model
    self.times = times
    self.mostBytes = mostBytes
    self.options = options
    self.cache = cache
    self.hidden = hidden
    repetitionPenalty = options.repetitionPenalty ?? model.generation.repetitionPenalty
  }

  /// Whether another picture could be begun at once.
  public var wantsMore: Bool {
    waiting.isEmpty && pictures.count < options.batch && hasPlace
  }

  /// Whether all that was added is done.
  public var isEmpty: Bool { pictures.isEmpty }

  /// Adds a picture. Its turn comes in `step`.
  ///
  /// - Parameters:
  ///   - key: not that of a picture that is in the batch.
  ///   - questions: at least one.
  ///   - visual: of the image, if it has been encoded; what a new encoding gives has the same bits.
  public func add(
    _ key: Int, image: some ImageForModel, questions: [TextGenerator.Question], encoded visual: VisualFeatures? = nil
  ) {
    precondition(pictures[key] == nil && !questions.isEmpty)
    // Each question has at least one row of its own.
    let prefixRows = model.sharedPrefix(of: questions.map(\.tokens)) { $0.ids.count - 1 }
    pictures[key] = Picture(
      shown: visual.map(Shown.features) ?? .image(image.prepared), questions: questions, prefixRows: prefixRows,
      questionRows: questions.map { AnswerContext.rows(ownRows: $0.tokens.ids.count - prefixRows, options) },
      outcomes: questions.map { _ in nil })
    waiting.append(key)
  }

  /// Takes one token on every answer, and begins what has found room.
  ///
  /// - Parameter poll: called after each layer of the vision tower and the decoder.
  /// - Returns: the pictures that are done with it.
  /// - Throws: errors of the backend, and what `poll` throws. Then the batch can't go on.
  public func step(poll: @escaping () throws -> Void = {}) throws -> [Finished] {
    let taps = Taps(afterLayer: { _, _ in try poll() })
    let start = ContinuousClock.now
    let opening = try begin(taps)
    if opening != nil || !answers.isEmpty {
      let hypotheses = answers.reduce(0) { $0 + $1.hypotheses.count }
      try pass(opening, taps)
      times.add(ContinuousClock.now - start, hypotheses: hypotheses, begins: opening != nil)
    } else {
      precondition(waiting.isEmpty, "a picture finds no room in an empty cache")
    }
    let done = pictures.keys.sorted().filter { isDone($0) }
    return done.compactMap { key in
      guard let picture = pictures.removeValue(forKey: key) else { return nil }
      if let prefix = picture.prefix { arena.give(prefix) }
      return Finished(key: key, outcomes: picture.outcomes.compactMap { $0 })
    }
  }

  private func isDone(_ key: Int) -> Bool { pictures[key]?.outcomes.allSatisfy { $0 != nil } ?? false }

  // MARK: - Beginning

  /// What a pass begins: questions about one picture.
  private struct Opening {
    let key: Int
    /// Whether their prefix is to be computed too.
    let isNew: Bool
    let questions: Range<Int>
    /// Of each question and its answer.
    let angles: [[RotaryAngles]]
    let visual: VisualFeatures
  }

  /// Begins questions of the picture whose turn it is, as many as there is room for.
  ///
  /// - Returns: nil if there is none, or no room.
  private func begin(_ taps: Taps) throws -> Opening? {
    while let key = waiting.first, let picture = pictures[key] {
      guard let shown = picture.shown, hasPlace, let first = makeRoom(for: picture) else { return nil }
      let visual: VisualFeatures
      do {
        visual =
          switch shown {
          case .image(let image): try model.encode(image, taps: taps)
          case .features(let features): features
          }
      } catch let fault as any ContentFault {
        arena.give(first.prefix)
        arena.give(first.question)
        fail(key, with: fault)
        continue
      }
      pictures[key]?.prefix = first.prefix
      var angles = [begin(picture.begun, of: picture, key, in: first.question, behind: first.prefix)]
      var next = picture.begun + 1
      while next < picture.questions.count, hasPlace,
        let room = arena.take(picture.questionRows[next])
      {
        angles.append(begin(next, of: picture, key, in: room, behind: first.prefix))
        next += 1
      }
      let isLast = next == picture.questions.count
      if isLast { waiting.removeFirst() }
      pictures[key]?.begun = next
      pictures[key]?.shown = isLast ? nil : .features(visual)
      return Opening(
        key: key, isNew: picture.prefix == nil, questions: picture.begun..<next, angles: angles, visual: visual)
    }
    return nil
  }

  /// Whether the next pass can take another answer's hypotheses.
  private var hasPlace: Bool { answers.isEmpty || (answers.count + 1) * options.beams <= Self.mostHypotheses }

  /// Takes the rows for a picture's next question, and for its prefix if it has none, directly before them.
  private func makeRoom(for picture: Picture) -> (prefix: Range<Int>, question: Range<Int>)? {
    let rows = picture.questionRows[picture.begun]
    if let prefix = picture.prefix { return arena.take(rows).map { (prefix, $0) } }
    let wanted = wantedRows(for: picture)
    if arena.isEmpty, wanted > arena.rows {
      // A fourth more, so that pictures with a few rows more find room too.
      let rows = max(wanted, min(wanted + wanted / 4, mostBytes / rowBytes))
      model.decoder.reserve(cache, rows: rows)
      arena = RowArena(rows: rows)
      isTooSmall = false
    }
    // Room behind the prefix for the longest question, so that none finds itself without any when nothing else is left.
    let longest = picture.questionRows.max() ?? 0
    guard !isTooSmall, let room = arena.take(picture.prefixRows + longest) else {
      isTooSmall = wanted > arena.rows
      return nil
    }
    let prefix = room.lowerBound..<room.lowerBound + picture.prefixRows
    let question = prefix.upperBound..<prefix.upperBound + rows
    arena.give(question.upperBound..<room.upperBound)
    return (prefix, question)
  }

  /// Rows for as many pictures like this one as the batch takes, and for one of its questions in any case.
  private func wantedRows(for picture: Picture) -> Int {
    let together = max(1, Self.mostHypotheses / options.beams)
    let questions = picture.questionRows.sorted(by: >).prefix(together).reduce(0, +)
    return max(
      picture.prefixRows + (picture.questionRows.max() ?? 0),
      min(options.batch * (picture.prefixRows + questions), mostBytes / rowBytes))
  }

  /// Bytes of a row of the cache in all layers.
  private var rowBytes: Int {
    2 * model.dimensions.layers * model.dimensions.keyValueWidth * ElementType.f32.byteCount
  }

  /// - Returns: the angles of the question and its answer.
  private func begin(
    _ index: Int, of picture: Picture, _ key: Int, in room: Range<Int>, behind prefix: Range<Int>
  ) -> [RotaryAngles] {
    let question = picture.questions[index]
    let rows = question.tokens.ids.count
    // Those of an answer's rows don't depend on its tokens.
    let angles = model.angles(question.tokens.appending([Int32](repeating: 0, count: options.maxNewTokens)))
    answers.append(
      AnswerContext(
        picture: key, index: index,
        search: AnswerSearch(
          options, stopTokens: model.stopTokens, example: question.id,
          penalty: RepetitionPenalty(repetitionPenalty, question: question.tokens.ids)),
        angles: angles.rows(rows..<rows + options.maxNewTokens), prefix: prefix, ownRows: picture.ownRows(index),
        room: room, options))
    return angles
  }

  /// Ends a picture that can't be used.
  private func fail(_ key: Int, with fault: any ContentFault) {
    waiting.removeAll { $0 == key }
    let questions = pictures[key]?.questions ?? []
    pictures[key]?.outcomes = questions.map { _ in .fault(fault) }
  }

  // MARK: - Going on

  /// One pass of the decoder, and what follows from it.
  private func pass(_ opening: Opening?, _ taps: Taps) throws {
    let fresh = opening?.questions.count ?? 0
    // The new questions' rows come first: they follow the prefix that they share.
    let order = Array(answers.suffix(fresh)) + answers.dropLast(fresh)
    let pass = pack(order, opening)
    try model.decoder.forward(
      pass.hidden, layout: pass.layout, angles: pass.angles, cache: cache, additions: pass.additions, taps: taps)
    let outputs = pass.hidden.rows(0..<pass.layout.segments.count)
    let vocabulary = model.outputHead.outputs
    answers = try model.backend.withFloats(of: model.outputHead.logits(outputs)) { logits in
      var going: [AnswerContext] = []
      var row = 0
      for var answer in order {
        let rows = row..<row + answer.hypotheses.count
        row = rows.upperBound
        let scores = logits.span.extracting(rows.lowerBound * vocabulary..<rows.upperBound * vocabulary)
        guard TokenChoice.areFinite(scores) else {
          end(answer, .fault(NotFiniteScores()))
          continue
        }
        answer.advance(scores, vocabulary: vocabulary, cache: cache)
        if answer.hypotheses.isEmpty { end(answer, .answer(found(answer))) } else { going.append(answer) }
      }
      return going
    }
  }

  /// - Parameter order: the answers, those of the opening first.
  private func pack(_ order: [AnswerContext], _ opening: Opening?) -> PackedPass {
    let picture = opening.flatMap { pictures[$0.key] }
    let questions = opening.map { opening in picture.map { Array($0.questions[opening.questions]) } ?? [] } ?? []
    var slots = order.prefix(questions.count).map(\.questionSlot)
    var next = NextTokens()
    for answer in order.dropFirst(questions.count) { answer.append(to: &next, slots: &slots) }
    let (prefix, isNew) = (picture?.prefix ?? 0..<0, opening?.isNew == true)
    let own = opening.map { opening in opening.questions.map { picture?.ownRows($0) ?? 0 } } ?? []
    let layout = SequenceLayout(
      prefixStart: prefix.lowerBound, cachedPrefix: isNew ? 0 : prefix.count, newPrefix: isNew ? prefix.count : 0,
      segments: own + next.ids.map { _ in 1 }, slots: slots,
      outputRowsAtEnd: questions.isEmpty ? nil : slots.map { _ in 1 })
    return model.pack(
      questions.map(\.tokens), layout: layout, angles: opening?.angles ?? [], visual: opening?.visual, next: next,
      into: hidden)
  }

  private func end(_ answer: AnswerContext, _ outcome: Outcome) {
    arena.give(answer.room)
    pictures[answer.picture]?.outcomes[answer.index] = outcome
  }

  private func found(_ answer: AnswerContext) -> TextGenerator.Answer {
    let ids = answer.search.best
    let content = ids.last.map(model.stopTokens.contains) == true ? Array(ids.dropLast()) : ids
    return TextGenerator.Answer(ids: ids, text: model.text(of: content))
  }
}
