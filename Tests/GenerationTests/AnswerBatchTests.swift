import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import Decoding

@Suite("Answers about several pictures at once")
struct AnswerBatchTests {
  private typealias Asked = (image: RGBImage, questions: [TextGenerator.Question])

  /// A model, and pictures of several sizes with one question or more each.
  private struct Case {
    let model: any VisionLanguageModel
    let pictures: [Asked]

    init(_ tiny: TinyCase, _ precision: Precision = .f32, maxNewTokens: Int = 10) throws {
      let model = try ModelRegistry.load(
        folder: tiny.model, input: InputOptions(resizing: .pillow),
        backend: CPUBackend(precision: precision, team: ThreadTeam(count: 2)))
      let names = ["0001.jpg", "0002.png", "0003.jpg", "0004.jpg", "0001.jpg", "0003.jpg"]
      let prompts = ["What is it?", "What is it made of, and where?", "Describe it."]
      pictures = try zip(names, [1, 3, 1, 2, 1, 1]).enumerated().map { index, picture in
        let image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(picture.0))
        let layout = try model.visualLayout(width: image.width, height: image.height)
        let questions = try (0..<picture.1).map {
          TextGenerator.Question(
            id: Int64(10 * index + $0),
            tokens: try model.question(prompt: prompts[(index + $0) % 3], layout: layout, answerTokens: maxNewTokens))
        }
        return (image, questions)
      }
      self.model = model
    }

    /// What each question is answered alone.
    func alone(_ options: DecodingOptions) throws -> [[TextGenerator.Answer]] {
      let generator = TextGenerator(model, options: options)
      return try pictures.map { image, questions in
        try questions.flatMap { try generator.answers(to: [$0], about: image) }
      }
    }
  }

  private struct Run {
    var outcomes: [Int: [AnswerBatch.Outcome]] = [:]
    var steps = 0

    /// The answers; nil for a fault.
    var answers: [[TextGenerator.Answer?]] {
      outcomes.sorted { $0.key < $1.key }.map { _, outcomes in
        outcomes.map { outcome in
          if case .answer(let answer) = outcome { answer } else { nil }
        }
      }
    }
  }

  private static func run(
    _ model: any VisionLanguageModel, _ pictures: [Asked], _ options: DecodingOptions,
    encoded: [Int: VisualFeatures] = [:], mostBytes: Int = AnswerBatch.mostBytes, times: PassTimes = PassTimes()
  ) throws -> Run {
    let batch = AnswerBatch(
      model, options, cache: KeyValueCache(on: model.backend), hidden: ScratchTensor(), mostBytes: mostBytes,
      times: times)
    var (run, next) = (Run(), 0)
    while true {
      while next < pictures.count, batch.wantsMore {
        batch.add(next, image: pictures[next].image, questions: pictures[next].questions, encoded: encoded[next])
        next += 1
      }
      if batch.isEmpty { return run }
      for finished in try batch.step() {
        #expect(run.outcomes.updateValue(finished.outcomes, forKey: finished.key) == nil)
      }
      run.steps += 1
    }
  }

  private static func options(_ change: (inout DecodingOptions) -> Void = { _ in }) -> DecodingOptions {
    var options = DecodingOptions()
    options.maxNewTokens = 10
    change(&options)
    return options
  }

  private static let ways: [DecodingOptions] = [
    options(), options { $0.beams = 3 }, options { ($0.temperature, $0.topP, $0.seed) = (1.5, 0.9, 3) },
    options { ($0.repetitionPenalty, $0.maxNewTokens) = (1.7, 7) }, options { $0.maxNewTokens = 1 },
  ]

  @Test("each question gets the answer that it gets alone, in every family", arguments: TinyCase.all)
  func alone(_ tiny: TinyCase) throws {
    let open = try Case(tiny)
    for var options in Self.ways {
      let alone = try open.alone(options)
      for batch in [1, 3, 16] {
        options.batch = batch
        #expect(try Self.run(open.model, open.pictures, options).answers == alone, "\(options)")
      }
    }
  }

  @Test("answers are those of one at a time in bf16 too")
  func bfloat16() throws {
    let open = try Case(.nested, .bf16)
    for options in Self.ways {
      #expect(try Self.run(open.model, open.pictures, options).answers == open.alone(options), "\(options)")
    }
  }

  @Test("a picture that ends makes room for the next, so passes are shared")
  func steps() throws {
    let open = try Case(.nested)
    let steps = try [1, 3, 16].map { batch in
      try Self.run(open.model, open.pictures, Self.options { $0.batch = batch }).steps
    }
    // One pass begins one picture.
    #expect(steps[2] <= 10 + 5 && steps[0] > 2 * steps[1] && steps[1] > steps[2], "\(steps)")
  }

  @Test("passes are counted by what they do")
  func times() throws {
    let open = try Case(.nested)
    let times = PassTimes()
    let run = try Self.run(open.model, open.pictures, Self.options { $0.batch = 1 }, times: times)
    let (tokens, questions) = (run.answers.joined().reduce(0) { $0 + ($1?.ids.count ?? 0) }, run.answers.joined().count)
    let continuing = times.summary.continuing
    #expect(times.summary.beginning?.count == open.pictures.count)
    #expect(continuing.values.reduce(open.pictures.count) { $0 + $1.count } == run.steps)
    // A question's first token comes of the pass that begins its picture, every other one of a hypothesis that goes on.
    #expect(continuing.reduce(questions) { $0 + $1.key * $1.value.count } == tokens)
    #expect(continuing.values.allSatisfy { $0.median > 0 && $0.seconds >= $0.median })
  }

  @Test("a median pass is that in the middle")
  func medians() {
    #expect(PassTimes.Kind([5, 1, 2]).median == 2)
    #expect(PassTimes.Kind([4, 1, 2, 9]).median == 3)
  }

  @Test("pictures that find no room in the cache wait until others end, and get the same answers")
  func room() throws {
    let open = try Case(.nested)
    let options = Self.options { $0.beams = 2 }
    let alone = try open.alone(options)
    let steps = try [1, 1 << 19, AnswerBatch.mostBytes].map { bytes in
      let run = try Self.run(open.model, open.pictures, options, mostBytes: bytes)
      #expect(run.answers == alone, "\(bytes) bytes")
      return run.steps
    }
    #expect(steps[0] > steps[2] && steps[1] >= steps[2], "\(steps)")
  }

  @Test("more questions than a pass takes are answered as others end")
  func manyQuestions() throws {
    let open = try Case(.nested)
    let options = Self.options { ($0.temperature, $0.maxNewTokens) = (1.5, 4) }
    let (image, tokens) = (open.pictures[0].image, open.pictures[0].questions[0].tokens)
    let many = (0..<150).map { TextGenerator.Question(id: $0, tokens: tokens) }
    let pictures: [Asked] = [open.pictures[1], (image, many), open.pictures[2]]
    let answers = try Self.run(open.model, pictures, options).answers
    let generator = TextGenerator(open.model, options: options)
    for id in [0, 63, 64, 149] { #expect(try generator.answers(to: [many[id]], about: image) == [answers[1][id]]) }
    #expect(Set(answers[1].compactMap(\.?.ids)).count > 40)
    #expect(try generator.answers(to: pictures[2].questions, about: pictures[2].image) == answers[2])
  }

  @Test("scores of one picture that are not finite cost no other picture")
  func notFinite() throws {
    let open = try Case(.nested)
    let backend = open.model.backend
    for options in Self.ways {
      let spoilt = try open.model.encode(open.pictures[1].image, taps: Taps())
      backend.write([Float](repeating: .nan, count: spoilt.values.count), to: spoilt.values)
      let run = try Self.run(open.model, open.pictures, options, encoded: [1: spoilt])
      #expect(run.outcomes[1]?.count == 3)
      for outcome in run.outcomes[1] ?? [] {
        guard case .fault(let fault) = outcome, fault is NotFiniteScores else {
          Issue.record("\(outcome)")
          continue
        }
      }
      var answers = run.answers
      var alone: [[TextGenerator.Answer?]] = try open.alone(options)
      (answers[1], alone[1]) = ([], [])
      #expect(answers == alone)
    }
  }

  @Test("a picture that the vision tower can't take costs no other picture")
  func notEncoded() throws {
    let open = try Case(.nested)
    var pictures = open.pictures
    // Of one pixel's width: the family takes no such shape.
    pictures[2].image = RGBImage(width: 1, height: 400, pixels: [UInt8](repeating: 9, count: 1200))
    let run = try Self.run(open.model, pictures, Self.options())
    for outcome in run.outcomes[2] ?? [] {
      guard case .fault(let fault) = outcome, fault is ImageError else {
        Issue.record("\(outcome)")
        continue
      }
    }
    var answers = run.answers
    var alone: [[TextGenerator.Answer?]] = try open.alone(Self.options())
    (answers[2], alone[2]) = ([], [])
    #expect(answers == alone && run.outcomes[2]?.count == 1)
  }

  // MARK: - Bits

  /// A sequence that grows: its place in the cache, and how far it is.
  private struct Growing {
    let tokens: TokenSequence
    let angles: [RotaryAngles]
    let visual: VisualFeatures
    let prefix: Range<Int>
    var rows: Int { tokens.ids.count - prefix.count }
    var new: [Int32] = []
    var logits: [[Float]] = []
  }

  /// Computes one pass: all of a sequence, and a next token of others.
  private func pass(
    _ first: Int?, _ others: [Int], of all: inout [Growing], _ model: any VisionLanguageModel, _ cache: KeyValueCache
  ) throws {
    var (next, slots) = (NextTokens(), [CacheSlot]())
    let start = first.map { all[$0] }
    if let start { slots.append(CacheSlot(behind: start.prefix, start: start.prefix.upperBound, cachedRows: 0)) }
    for index in others {
      let one = all[index]
      let token = Int32(20 + one.new.count + index)
      let position = one.tokens.ids.count + one.new.count
      next.append(token, angles: one.angles.rows(position..<position + 1))
      slots.append(
        CacheSlot(behind: one.prefix, start: one.prefix.upperBound, cachedRows: one.rows + one.new.count))
      all[index].new.append(token)
    }
    let layout = SequenceLayout(
      prefixStart: start?.prefix.lowerBound ?? 0, newPrefix: start?.prefix.count ?? 0,
      segments: (start.map { [$0.rows] } ?? []) + others.map { _ in 1 }, slots: slots,
      outputRowsAtEnd: slots.map { _ in 1 })
    let pass = model.pack(
      start.map { [$0.tokens] } ?? [], layout: layout, angles: start.map { [$0.angles] } ?? [], visual: start?.visual,
      next: next, into: ScratchTensor())
    try model.decoder.forward(
      pass.hidden, layout: pass.layout, angles: pass.angles, cache: cache, additions: pass.additions)
    let logits = model.backend.read(try model.outputHead.logits(pass.hidden.rows(0..<slots.count)))
    for (row, index) in ((first.map { [$0] } ?? []) + others).enumerated() {
      all[index].logits.append(Array(logits[row * logits.count / slots.count..<(row + 1) * logits.count / slots.count]))
    }
  }

  @Test(
    "scores have the same bits alone and beside other pictures, wherever these lie in the cache",
    arguments: TinyCase.all)
  func bits(_ tiny: TinyCase) throws {
    for precision in Precision.allCases {
      let open = try Case(tiny, precision)
      let model = open.model
      let questions = try open.pictures[0..<4].map {
        ($0.questions[0].tokens, try model.encode($0.image, taps: Taps()))
      }
      func growing(gap: Int) -> [Growing] {
        // From the cache's end to its beginning.
        var end = questions.reduce(0) { $0 + $1.0.ids.count + gap }
        return questions.map { tokens, visual in
          let prefix = model.sharedPrefix(of: [tokens]) { $0.ids.count - 1 }
          let first = end - tokens.ids.count - gap
          end = first
          return Growing(
            tokens: tokens, angles: model.angles(tokens.appending([Int32](repeating: 0, count: 8))), visual: visual,
            prefix: first..<first + prefix)
        }
      }
      var together = growing(gap: 9)
      let cache = KeyValueCache(on: model.backend)
      model.decoder.reserve(cache, rows: together.reduce(0) { $0 + $1.tokens.ids.count + 9 } + 5)
      for (first, others): (Int?, [Int]) in [(0, []), (1, [0]), (2, [1, 0]), (nil, [1]), (3, [0, 1, 2])] {
        try pass(first, others, of: &together, model, cache)
      }
      for _ in 0..<3 { try pass(nil, [2, 0, 3, 1], of: &together, model, cache) }
      for index in together.indices {
        var alone = growing(gap: 8)
        let cache = KeyValueCache(on: model.backend)
        model.decoder.reserve(cache, rows: alone.reduce(0) { $0 + $1.tokens.ids.count + 8 })
        try pass(index, [], of: &alone, model, cache)
        for _ in together[index].new { try pass(nil, [index], of: &alone, model, cache) }
        #expect(alone[index].logits.count >= 4)
        let difference = zip(alone[index].logits.joined(), together[index].logits.joined()).reduce(Float(0)) {
          max($0, abs($1.0 - $1.1))
        }
        #expect(difference == 0, "\(precision) picture \(index)")
      }
    }
  }
}
