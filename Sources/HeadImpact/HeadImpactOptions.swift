/// Every choice that the paper leaves open and that changes a number, with its default. All are written into the
/// output.
public struct HeadImpactOptions: Sendable, Equatable, Codable {
  /// Which row of the attention matrix is read for a description token.
  public enum Query: String, CaseIterable, Sendable, Codable {
    /// The row of the token itself.
    case token
    /// The row before it, which predicts the token.
    case predicting
  }

  /// How a row of attention is normalised before the mean over the description's tokens.
  public enum Normalize: String, CaseIterable, Sendable, Codable {
    case none
    /// Its sum over the visual tokens.
    case visual
  }

  /// Which views' tokens take part, where tiles and a global view show a pixel twice.
  public enum Views: String, CaseIterable, Sendable, Codable {
    case all
    case tiles
    case global
  }

  /// A visual token belongs to the object if the mask covers more than this share of its cell; in [0, 1).
  public var coverage = 0.5
  public var query = Query.token
  public var normalize = Normalize.none
  public var views = Views.all
  /// A token is a sink if its score exceeds this many times the median token's; greater than 0.
  public var sinkFactor = 10.0
  /// Bootstrap resamples of the images; at least 1.
  public var bootstrapResamples = 1000
  /// Of the bootstrap.
  public var seed: UInt64 = 0

  public init() {}

  /// - Throws: `HeadImpactError` naming the first option out of range.
  public func validate() throws {
    guard coverage >= 0, coverage < 1 else {
      throw HeadImpactError("--coverage is \(coverage); it must be at least 0 and below 1")
    }
    guard sinkFactor > 0, sinkFactor.isFinite else {
      throw HeadImpactError("--sink-factor is \(sinkFactor); it must be finite and greater than 0")
    }
    guard Bootstrap.resampleCounts.contains(bootstrapResamples) else {
      throw HeadImpactError("--bootstrap is \(bootstrapResamples); it must be in \(Bootstrap.resampleCounts)")
    }
  }
}
