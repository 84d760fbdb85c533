import Foundation
import Testing

@testable import Decoding

@Suite("Search for an answer")
struct SearchTests {
  private func logits(_ probabilities: [Double]) -> [Float] { probabilities.map { Float(log($0)) } }

  private func advance(_ search: inout AnswerSearch, _ logits: [Float]) -> [AnswerSearch.Next] {
    search.advance(logits.span, vocabulary: logits.count)
  }

  @Test("one hypothesis ends at a stop token, which is part of it, or when it is long enough")
  func single() {
    var options = DecodingOptions()
    var search = AnswerSearch(options, stopTokens: [2], example: 1)
    #expect(advance(&search, [0, 1, 0]).map(\.tokens) == [[1]])
    #expect(advance(&search, [0, 0, 1]).isEmpty)
    #expect(search.best == [1, 2])
    options.maxNewTokens = 2
    var long = AnswerSearch(options, stopTokens: [2], example: 1)
    #expect(advance(&long, [1, 0, 0]).count == 1)
    #expect(advance(&long, [1, 0, 0]).isEmpty)
    #expect(long.best == [0, 0])
  }

  /// Runs a beam search on a model that is a table: the probabilities of the next token by what the answer is so far.
  private func beamSearch(
    beams: Int, stop: Set<Int32>, length: Int, _ table: ([Int32]) -> [Double]
  ) -> (answer: [Int32], steps: Int) {
    var search = BeamSearch(beams: beams, stopTokens: stop, maxNewTokens: length)
    var steps = 0
    while !search.isDone {
      let before = search.running
      search.advance(before.map { TokenChoice.logSoftmax(logits(table($0.tokens)).span) })
      #expect(search.running.allSatisfy { $0.tokens.dropLast() == before[$0.parent].tokens[...] })
      steps += 1
    }
    return (search.best, steps)
  }

  @Test("a beam that begins worse and ends better wins, where one hypothesis alone would miss it")
  func beams() {
    func table(_ ids: [Int32]) -> [Double] {
      switch ids {
      case []: [0.6, 0.39, 0.01]
      case [0]: [0.34, 0.33, 0.33]
      case [1]: [0.01, 0.01, 0.98]
      default: [0.01, 0.01, 0.98]
      }
    }
    #expect(beamSearch(beams: 1, stop: [2], length: 2, table).answer == [0, 0])
    #expect(beamSearch(beams: 2, stop: [2], length: 2, table).answer == [1, 2])
  }

  @Test("scores are divided by the length, so that a longer answer may win over a likelier one")
  func lengthPenalty() {
    // Stopping at once: log 0.3. Going on: (log 0.6 + 2 log 0.9) / 3, which is more.
    func table(_ ids: [Int32]) -> [Double] {
      switch ids.count {
      case 0: [0.6, 0.1, 0.3]
      case 1: [0.9, 0.05, 0.05]
      default: [0.05, 0.05, 0.9]
      }
    }
    #expect(beamSearch(beams: 2, stop: [2], length: 8, table).answer == [0, 0, 2])
  }

  @Test("the search ends once no running beam can beat the worst finished answer, and at the longest length")
  func ends() {
    func certain(_ ids: [Int32]) -> [Double] { ids.isEmpty ? [0.5, 0.48, 0.02] : [0.005, 0.005, 0.99] }
    let found = beamSearch(beams: 2, stop: [2], length: 50, certain)
    #expect(found.answer == [0, 2])
    #expect(found.steps < 5)
    let cut = beamSearch(beams: 3, stop: [2], length: 4) { _ in [0.7, 0.299, 0.001] }
    #expect(cut.answer == [0, 0, 0, 0])
    #expect(cut.steps == 4)
  }
}
