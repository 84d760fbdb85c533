import Jobs

/// How an answer's tokens are chosen, and how many there may be.
public struct DecodingOptions: Sendable, Equatable {
  public var maxNewTokens = 64
  /// 0 takes the likeliest token; above it, tokens are drawn.
  public var temperature = 0.0
  /// Draws among the likeliest tokens that together have this probability.
  public var topP = 1.0
  /// Above 1: beam search.
  public var beams = 1
  /// Of the draws.
  public var seed: UInt64 = 0

  public init() {}

  /// - Throws: `JobError` naming the option.
  public func validate() throws {
    guard (1...65_536).contains(maxNewTokens) else {
      throw JobError("--max-new-tokens is \(maxNewTokens); it must be in 1...65536")
    }
    guard (0...1000).contains(temperature) else {
      throw JobError("--temperature is \(temperature); it must be in 0...1000, 0 for the likeliest token")
    }
    guard topP > 0, topP <= 1 else { throw JobError("--top-p is \(topP); it must be above 0 and at most 1") }
    guard (1...32).contains(beams) else { throw JobError("--beams is \(beams); it must be in 1...32") }
    guard beams == 1 || temperature == 0 else {
      throw JobError("--beams \(beams) takes the likeliest beams, so --temperature must be 0, not \(temperature)")
    }
    guard topP == 1 || temperature > 0 else {
      throw JobError("--top-p \(topP) is for draws: give a --temperature above 0 too")
    }
  }

  /// The search for one answer.
  ///
  /// - Parameter id: of the example: with the seed and the step it decides what is drawn, so that no answer depends on
  ///   which others are asked for.
  func search(id: Int64, stopTokens: Set<Int32>) -> any AnswerSearch {
    if beams > 1 { return BeamSearch(beams: beams, stopTokens: stopTokens, maxNewTokens: maxNewTokens) }
    let sampler = TokenSampler(temperature: temperature, topP: topP, seed: seed, stream: UInt64(bitPattern: id))
    return SingleSearch(sampler: sampler, stopTokens: stopTokens, maxNewTokens: maxNewTokens)
  }
}
