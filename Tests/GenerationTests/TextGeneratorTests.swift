import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import Decoding

@Suite("Answers to questions about an image")
struct TextGeneratorTests {
  private let model: any VisionLanguageModel
  private let image: RGBImage
  private let prompts = ["What is it?", "What is it made of, and where?", "Describe it.", "What is it?"]

  init() throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    model = try ModelRegistry.load(
      folder: TinyCase.nested.model, input: InputOptions(resizing: .pillow), backend: backend)
    image = try decodeImage(contentsOf: TinyCase.nested.images.appendingPathComponent("0003.jpg"))
  }

  private func questions() throws -> [TextGenerator.Question] {
    let layout = try model.visualLayout(width: image.width, height: image.height)
    return try prompts.enumerated().map { index, prompt in
      TextGenerator.Question(id: Int64(index), tokens: try model.question(prompt: prompt, layout: layout))
    }
  }

  /// The scores of the next token, from a pass over the whole sequence.
  private func logits(after sequence: TokenSequence, _ visual: VisualFeatures) throws -> [Float] {
    let rows = sequence.ids.count
    let cache = KeyValueCache(on: model.backend)
    model.decoder.reserve(cache, rows: rows)
    let hidden = model.backend.tensor(rows: rows, columns: model.decoder.hiddenSize)
    model.embed(sequence, rows: 0..<rows, visual: visual, into: hidden)
    try model.decoder.forward(
      hidden, layout: SequenceLayout(newPrefix: rows), angles: model.angles(sequence), cache: cache)
    return model.backend.read(try model.outputHead.logits(hidden.rows(rows - 1..<rows)))
  }

  @Test("hypotheses that grow together on the cache find what whole sequences, one at a time, find", arguments: [1, 3])
  func cache(beams: Int) throws {
    var options = DecodingOptions()
    (options.maxNewTokens, options.beams) = (12, beams)
    let questions = try questions()
    let answers = try TextGenerator(model, options: options).answers(to: questions, about: image).map(\.ids)
    let visual = try model.encode(image, taps: Taps())
    for (question, answer) in zip(questions, answers) {
      var search = AnswerSearch(options, stopTokens: model.stopTokens, example: question.id)
      var running = [[Int32]()]
      while !running.isEmpty {
        let scores = try running.flatMap { try logits(after: question.tokens.appending($0), visual) }
        running = search.advance(scores.span, vocabulary: model.outputHead.outputs).map(\.tokens)
      }
      #expect(answer == search.best, "prompt \(question.id)")
      #expect(!answer.isEmpty && answer.count <= 12)
    }
    #expect(answers[0] == answers[3])
  }

  @Test("more questions than one pass takes, and draws, don't change an answer")
  func groups() throws {
    var options = DecodingOptions()
    (options.maxNewTokens, options.temperature, options.topP, options.seed) = (6, 1.5, 0.9, 5)
    let generator = TextGenerator(model, options: options)
    let question = try questions()[1].tokens
    let many = (0..<140).map { TextGenerator.Question(id: $0, tokens: question) }
    let answers = try generator.answers(to: many, about: image)
    #expect(Set(answers.map(\.ids)).count > 20)
    for id in [0, 63, 64, 139] {
      #expect(try generator.answers(to: [many[id]], about: image) == [answers[id]])
    }
    #expect(try generator.answers(to: [], about: image).isEmpty)
  }

  @Test("an error of the poll ends the work")
  func poll() throws {
    struct Stop: Error {}
    var calls = 0
    #expect(throws: Stop.self) {
      try TextGenerator(model, options: DecodingOptions()).answers(to: questions(), about: image) {
        calls += 1
        if calls == 9 { throw Stop() }
      }
    }
    #expect(calls == 9)
  }
}
