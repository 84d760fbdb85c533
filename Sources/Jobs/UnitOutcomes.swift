import RunSupport

/// What became of a unit's samples, as it travels to rank 0 and lies in the journal: of each, what was found, or why it
/// can't be used.
public struct UnitOutcomes<Found: Codable & Equatable & Sendable>: Codable, Equatable, Sendable, WorkResult {
  public struct Outcome: Codable, Equatable, Sendable {
    public let id: Int64
    /// nil if the sample can't be used.
    public let found: Found?
    /// nil if it can.
    public let skip: SkipReason?

    public init(id: Int64, found: Found) { (self.id, self.found, skip) = (id, found, nil) }

    public init(id: Int64, skip: SkipReason) { (self.id, found, self.skip) = (id, nil, skip) }
  }

  public let imageID: Int64
  /// In the unit's order.
  public let outcomes: [Outcome]

  public var key: Int { Int(imageID) }
  public var sampleCount: Int { outcomes.count }

  public var skipped: [SkippedSample] {
    outcomes.compactMap { outcome in outcome.skip.map { SkippedSample(id: outcome.id, reason: $0) } }
  }

  public init(imageID: Int64, outcomes: [Outcome]) { (self.imageID, self.outcomes) = (imageID, outcomes) }

  /// - Parameter name: of such a result in errors: "places in an image".
  /// - Throws: `JobError` if the bytes are not one: a sample has either a result or a reason.
  public init(decoding bytes: [UInt8], called name: String) throws {
    try self.init(json: bytes, called: name)
    // A build of the same version that names its values otherwise would seem to have found nothing.
    for outcome in outcomes where (outcome.found == nil) == (outcome.skip == nil) {
      throw JobError(
        "a record of image \(imageID) does not hold \(name): sample \(outcome.id) must have either a result or the reason "
          + "why there is none")
    }
  }
}
