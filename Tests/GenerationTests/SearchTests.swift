import Foundation
import Testing

@testable import Generation

@Suite("Choice of tokens")
struct SearchTests {
  private func logits(_ probabilities: [Double]) -> ArraySlice<Float> { probabilities.map { Float(log($0)) }[...] }

  private func draw(
    _ probabilities: [Double], temperature: Double = 1, topP: Double = 1, seed: UInt64 = 0, example: Int64 = 0,
    step: Int
  ) -> Int32 {
    TokenChoice.sample(
      logits(probabilities), temperature: temperature, topP: topP,
      unit: TokenChoice.unit(seed: seed, example: example, step: step))
  }

  @Test("temperature 0 takes the likeliest token, of equal ones the first, wherever the scores lie in memory")
  func greedy() {
    let all: [Float] = [9, 1, 5, 5, -2, 8]
    #expect(TokenChoice.greedy(all[1..<5]) == 1)
    #expect(TokenChoice.greedy([-3, -3]) == 0)
  }

  @Test("draws have the probabilities that the temperature gives", arguments: [0.5, 1, 2])
  func draws(temperature: Double) {
    let probabilities = [0.1, 0.2, 0.7]
    let weights = probabilities.map { pow($0, 1 / temperature) }
    var counts = [0, 0, 0]
    for step in 0..<20_000 {
      counts[Int(draw(probabilities, temperature: temperature, step: step))] += 1
    }
    for (count, weight) in zip(counts, weights) {
      #expect(abs(Double(count) / 20_000 - weight / weights.reduce(0, +)) < 0.015)
    }
  }

  @Test("a draw depends on the seed, the example and the step, and on nothing else")
  func keys() {
    let flat = [Double](repeating: 0.01, count: 100)
    func drawn(_ seed: UInt64, _ example: Int64, _ step: Int) -> Int32 {
      draw(flat, seed: seed, example: example, step: step)
    }
    #expect(drawn(1, 2, 3) == drawn(1, 2, 3))
    for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4), (2, 1, 3)] as [(UInt64, Int64, Int)] {
      let same = (0..<20).count { drawn(1, 2, 3 + 10 * $0) == drawn(other.0, other.1, other.2 + 10 * $0) }
      #expect(same < 5, "\(other)")
    }
  }

  @Test("top-p keeps the fewest likeliest tokens that have the probability together")
  func topP() {
    let probabilities = [0.1, 0.5, 0.15, 0.25]
    func drawn(_ topP: Double) -> Set<Int32> {
      Set((0..<2000).map { draw(probabilities, topP: topP, step: $0) })
    }
    #expect(drawn(0.4) == [1])
    #expect(drawn(0.6) == [1, 3])
    #expect(drawn(0.8) == [1, 2, 3])
    #expect(drawn(1) == [0, 1, 2, 3])
  }

  @Test("one hypothesis ends at a stop token, which is part of it, or when it is long enough")
  func single() {
    var options = DecodingOptions()
    var search = AnswerSearch(options, stopTokens: [2], example: 1)
    #expect(search.advance([[0, 1, 0]]).map(\.tokens) == [[1]])
    #expect(search.advance([[0, 0, 1]]).isEmpty)
    #expect(search.best == [1, 2])
    options.maxNewTokens = 2
    var long = AnswerSearch(options, stopTokens: [2], example: 1)
    #expect(long.advance([[1, 0, 0]]).count == 1)
    #expect(long.advance([[1, 0, 0]]).isEmpty)
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
      search.advance(before.map { TokenChoice.logSoftmax(logits(table($0.tokens))) })
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

  @Test("options that mean nothing are refused by name")
  func options() throws {
    func refused(_ words: String, _ change: (inout DecodingOptions) -> Void) {
      var options = DecodingOptions()
      change(&options)
      let text = #expect(throws: (any Error).self) { try options.validate() }.map { "\($0)" } ?? ""
      #expect(text.contains(words), "\(text)")
    }
    try DecodingOptions().validate()
    refused("--max-new-tokens is 0") { $0.maxNewTokens = 0 }
    refused("--temperature is -1.0") { $0.temperature = -1 }
    refused("--temperature is nan") { $0.temperature = .nan }
    refused("--top-p is 0.0") { $0.topP = 0 }
    refused("--beams is 0") { $0.beams = 0 }
    refused("don't go together") { ($0.beams, $0.temperature) = (4, 1) }
  }
}
