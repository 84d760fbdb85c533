import RunSupport

/// How tokens are chosen.
public struct DecodingOptions: Sendable, Equatable {
  public var maxNewTokens = 64
  /// 0 takes the likeliest token; above, draws among them.
  public var temperature = 0.0
  /// Draws among the likeliest tokens that have this probability together.
  public var topP = 1.0
  /// What scores of tokens that have been seen are divided by; nil for what the model's generation_config.json says.
  public var repetitionPenalty: Double?
  /// Sequences that are followed at a time.
  public var beams = 1
  public var seed: UInt64 = 0
  /// Pictures whose answers grow in one pass, at most. No answer depends on it.
  public var batch = 16

  public init() {}

  /// - Throws: `JobError` naming the option.
  public func validate() throws {
    guard (1...65_536).contains(maxNewTokens) else {
      throw JobError("--max-new-tokens is \(maxNewTokens); it must be in 1...65536")
    }
    guard temperature >= 0, temperature.isFinite else {
      throw JobError("--temperature is \(temperature); it must be at least 0 (0: greedy decoding)")
    }
    guard topP > 0, topP <= 1 else { throw JobError("--top-p is \(topP); it must be above 0 and at most 1") }
    if let penalty = repetitionPenalty, !(1e-6...1e6).contains(penalty) {
      throw JobError("--repetition-penalty is \(penalty); it must be in 0.000001...1000000 (1: none)")
    }
    guard (1...64).contains(beams) else { throw JobError("--beams is \(beams); it must be in 1...64") }
    guard (1...4096).contains(batch) else { throw JobError("--batch is \(batch); it must be in 1...4096") }
    guard beams == 1 || temperature == 0 else { throw JobError("--beams and --temperature exclude each other") }
  }
}
