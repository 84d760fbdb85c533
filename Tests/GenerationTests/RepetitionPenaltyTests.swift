import Foundation
import Testing

@testable import Decoding

@Suite("Repetition penalty")
struct RepetitionPenaltyTests {
  @Test("scores of seen tokens are divided where positive and multiplied where negative, once each")
  func scores() throws {
    let penalty = try #require(RepetitionPenalty(2, question: [0, 0, 3, 99, -1]))
    var scores: [Float] = [1, 1, -1, -3, 4]
    penalty.apply(to: &scores, after: [4, 4, 0])
    #expect(scores == [0.5, 1, -1, -6, 2])
  }

  @Test("1 is no penalty")
  func none() {
    #expect(RepetitionPenalty(1, question: [1]) == nil)
  }

  @Test("it decides before a token is chosen, whatever the way of choosing")
  func choice() throws {
    let logits: [Float] = [0, 3, 2.9, -9]
    for temperature in [0.0, 1e-3] {
      var options = DecodingOptions()
      options.temperature = temperature
      options.maxNewTokens = 3
      var search = AnswerSearch(
        options, stopTokens: [], example: 1, penalty: RepetitionPenalty(1.5, question: [1]))
      while let next = search.advance(logits.span, vocabulary: 4).first { #expect(next.parent == 0) }
      // 1 was in the question; after 2, both are penalized alike.
      #expect(search.best == [2, 1, 1])
    }
    var options = DecodingOptions()
    options.beams = 2
    options.maxNewTokens = 1
    var search = AnswerSearch(options, stopTokens: [], example: 1, penalty: RepetitionPenalty(1.5, question: [1]))
    _ = search.advance(logits.span, vocabulary: 4)
    #expect(search.best == [2])
  }

  @Test("a penalty that is not above 0 is refused, naming the option", arguments: [0, -1, .infinity, .nan, 1e-9])
  func refused(_ value: Double) {
    var options = DecodingOptions()
    options.repetitionPenalty = value
    #expect { try options.validate() } throws: { "\($0)".contains("--repetition-penalty") }
  }
}
