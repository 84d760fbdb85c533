import COCO
import Foundation
import Testing

@testable import Decoding
@testable import Generation

@Suite("Choice of tokens")
struct ChoiceTests {
  @Test("greedy takes the highest score, the lower id of equals")
  func greedy() {
    let scores: [Float] = [9, 1, 3, 3, 2]
    for (part, best) in [(0..<5, 0), (1..<5, 1), (4..<5, 0)] {
      let token = TokenChoice.greedy(scores.span.extracting(part))
      #expect(Int(token) == best)
    }
  }

  @Test("scores are finite unless one is an infinity or no number")
  func finite() {
    let sound: [Float] = [-3, 0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0]
    func areFinite(_ scores: [Float]) -> Bool { TokenChoice.areFinite(scores.span) }
    #expect(areFinite(sound))
    for wrong in [Float.nan, -.nan, .signalingNaN, .infinity, -.infinity] {
      for place in sound.indices {
        var scores = sound
        scores[place] = wrong
        #expect(!areFinite(scores))
      }
    }
  }

  @Test("drawn tokens have the probabilities that temperature and top-p leave them")
  func sample() {
    let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]
    func shares(_ temperature: Double, _ topP: Double) -> [Double] {
      var counts = [0, 0, 0, 0]
      for i in 0..<20_000 {
        let unit = TokenChoice.unit(seed: 1, example: 3, step: i)
        counts[Int(TokenChoice.sample(logits.span, temperature: temperature, topP: topP, unit: unit))] += 1
      }
      return counts.map { Double($0) / 20_000 }
    }
    func close(_ a: [Double], _ b: [Double]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) < 0.015 } }
    #expect(close(shares(1, 1), [0.5, 0.3, 0.15, 0.05]))
    #expect(close(shares(1, 0.7), [0.625, 0.375, 0, 0]))
    #expect(close(shares(1, 0.4), [1, 0, 0, 0]))
    #expect(shares(0.5, 1)[0] > 0.6 && shares(2, 1)[0] < 0.4)
  }

  @Test("what is drawn is what the definition says, over large vocabularies, ties and scores far apart")
  func definition() {
    func plain(_ logits: [Float], _ temperature: Double, _ topP: Double, _ unit: Double) -> Int32 {
      let peak = Double(logits.max() ?? 0)
      let weights = logits.map { exp((Double($0) - peak) / temperature) }
      var (kept, mass): ([Int], Double) = ([], 0)
      for token in weights.indices.sorted(by: { (weights[$0], $1) > (weights[$1], $0) }) {
        kept.append(token)
        mass += weights[token]
        if topP < 1, mass >= topP * weights.reduce(0, +) { break }
      }
      var rest = unit * mass
      for token in kept {
        rest -= weights[token]
        if rest < 0 { return Int32(token) }
      }
      return Int32(kept[kept.count - 1])
    }
    func unit(_ step: Int) -> Double { TokenChoice.unit(seed: 7, example: 1, step: step) }
    for round in 0..<12 {
      // Some scores alike, some so low that they weigh nothing.
      let logits = (0..<400).map { Float((unit(1000 * round + $0) * (round < 6 ? 40 : 3000)).rounded()) }
      for (place, topP) in [1, 0.95, 0.5, 1e-9].enumerated() {
        for draw in 0..<20 {
          let (temperature, random) = ([1, 0.3, 8][draw % 3], draw == 0 ? 0 : unit(90_000 + 100 * place + draw))
          let token = TokenChoice.sample(logits.span, temperature: temperature, topP: topP, unit: random)
          #expect(token == plain(logits, temperature, topP, random))
        }
      }
    }
  }

  @Test("what is drawn depends on seed, example and step, and on nothing else")
  func units() {
    #expect(TokenChoice.unit(seed: 1, example: 2, step: 3) == TokenChoice.unit(seed: 1, example: 2, step: 3))
    let others = [(2, 2, 3), (1, 3, 3), (1, 2, 4)].map {
      TokenChoice.unit(seed: $0.0, example: Int64($0.1), step: $0.2)
    }
    #expect(Set(others + [TokenChoice.unit(seed: 1, example: 2, step: 3)]).count == 4)
  }

  @Test("beam search finds a likelier sequence that greedy choice misses")
  func beams() {
    // Token 0 first is likelier, but token 1 leads to a certain end (2 stops).
    func scores(_ tokens: [Int32]) -> [Float] {
      switch tokens {
      case []: [log(0.6), log(0.4), -20, -20]
      case [0]: [log(0.3), log(0.3), log(0.1), log(0.3)]
      case [1]: [-20, -20, log(0.99), log(0.01)]
      default: [log(0.25), log(0.25), log(0.25), log(0.25)]
      }
    }
    var search = BeamSearch(beams: 2, stopTokens: [2], maxNewTokens: 4)
    while !search.isDone { search.advance(search.running.map { scores($0.tokens) }) }
    #expect(search.best == [1, 2])
  }

  @Test("a search ends at the longest answer")
  func longest() {
    var search = BeamSearch(beams: 3, stopTokens: [9], maxNewTokens: 2)
    var steps = 0
    while !search.isDone {
      search.advance(search.running.map { _ in [Float](repeating: log(0.1), count: 10) })
      steps += 1
    }
    #expect(steps == 2 && search.best.count <= 2)
  }

  @Test("captions are one an image, questions all of them, in the dataset's order")
  func units_() throws {
    let images =
      #""images":[{"id":5,"file_name":"a.png","width":1,"height":1},{"id":2,"file_name":"b.png","width":1,"height":1}]"#
    let captions = try ImageTextDataset(
      json: Array(
        "{\(images),\"annotations\":[{\"id\":1,\"image_id\":5},{\"id\":2,\"image_id\":2},{\"id\":3,\"image_id\":5}]}"
          .utf8),
      name: "x"
    ) { [] }
    let units = GenerationUnit.units(of: captions, limit: nil)
    #expect(units.map(\.imageID) == [5, 2] && units.map(\.examples.count) == [1, 1])
    #expect(GenerationUnit.units(of: captions, limit: 1).map(\.imageID) == [5])
  }
}
