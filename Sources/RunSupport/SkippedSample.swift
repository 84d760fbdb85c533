/// A sample that can't be used, and why.
public struct SkippedSample: Codable, Equatable, Sendable {
  /// -1 stands for a record without an id.
  public let id: Int64
  public let reason: SkipReason

  public init(id: Int64, reason: SkipReason) {
    self.id = id
    self.reason = reason
  }

  /// - Parameter name: of a sample: "annotation".
  public func text(called name: String) -> String { "\(name) \(id) is skipped: \(reason.text)" }

  /// The error of a strict run for samples that can't be used.
  ///
  /// - Throws: `JobError` naming all of them; nothing if there are none.
  public static func refuse(_ samples: [SkippedSample], called name: String) throws {
    guard !samples.isEmpty else { return }
    throw JobError(
      "\(samples.count) \(name)s can't be used (--strict):"
        + samples.map { "\n  \(name) \($0.id): \($0.reason.text)" }.joined())
  }
}
