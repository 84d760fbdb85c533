import HeadImpact
import Jobs
import RunSupport

/// What became of one sample.
struct SampleOutcome: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    /// - Shape: scores [L, H, V], empty unless they are to be saved.
    case scored(SampleImpact, scores: [Float])
    /// The sample can't be used, and why.
    case skipped(SkipReason)
  }
  let annotationID: Int
  let kind: Kind
}

/// The outcomes of one unit's samples, as they travel to rank 0 and lie in the journal.
struct UnitResult: Equatable, Sendable {
  let imageID: Int
  let outcomes: [SampleOutcome]

  init(imageID: Int, outcomes: [SampleOutcome]) {
    self.imageID = imageID
    self.outcomes = outcomes
  }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.integer(imageID)
    writer.integer(outcomes.count)
    for outcome in outcomes {
      writer.integer(outcome.annotationID)
      switch outcome.kind {
      case .scored(let impact, let scores):
        writer.integer(0)
        writer.bytes(impact.encode())
        scores.withUnsafeBytes { writer.bytes(Array($0)) }
      case .skipped(let reason):
        writer.integer(1)
        writer.bytes(Array(reason.kind.rawValue.utf8))
        writer.bytes(Array(reason.text.utf8))
      }
    }
    return writer.bytes
  }

  /// - Throws: `JobError` if the bytes aren't a result.
  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    imageID = try reader.integer()
    let count = try reader.integer()
    guard count >= 0 else { throw JobError("a result claims \(count) samples") }
    var outcomes: [SampleOutcome] = []
    for _ in 0..<count {
      let id = try reader.integer()
      switch try reader.integer() {
      case 0:
        let impact = try SampleImpact(decoding: reader.bytes())
        let scores = try reader.bytes()
        guard scores.count % 4 == 0 else { throw JobError("a result's scores are cut off") }
        let floats = scores.withUnsafeBytes { bytes in
          (0..<scores.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        outcomes.append(SampleOutcome(annotationID: id, kind: .scored(impact, scores: floats)))
      case 1:
        let name = String(decoding: try reader.bytes(), as: UTF8.self)
        guard let kind = SkipKind(rawValue: name) else {
          throw JobError("a result has \"\(name)\" as its kind of skip")
        }
        let text = String(decoding: try reader.bytes(), as: UTF8.self)
        outcomes.append(SampleOutcome(annotationID: id, kind: .skipped(SkipReason(kind, text))))
      case let kind: throw JobError("a result has outcome \(kind); known are 0 and 1")
      }
    }
    try reader.finish()
    self.outcomes = outcomes
  }
}
