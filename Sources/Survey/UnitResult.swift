import HeadImpact

/// What became of one sample.
struct SampleOutcome: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    /// - Shape: scores [L, H, V], empty unless they are to be saved.
    case scored(SampleImpact, scores: [Float])
    /// The sample can't be used, and why.
    case skipped(reason: String)
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
        writer.bytes(Array(reason.utf8))
      }
    }
    return writer.bytes
  }

  /// - Throws: `SurveyError` where the bytes aren't a result.
  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    imageID = try reader.integer()
    let count = try reader.integer()
    guard count >= 0 else { throw SurveyError("a result claims \(count) samples") }
    var outcomes: [SampleOutcome] = []
    for _ in 0..<count {
      let id = try reader.integer()
      switch try reader.integer() {
      case 0:
        let impact = try SampleImpact(decoding: reader.bytes())
        let scores = try reader.bytes()
        guard scores.count % 4 == 0 else { throw SurveyError("a result's scores are cut") }
        let floats = scores.withUnsafeBytes { bytes in
          (0..<scores.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        outcomes.append(SampleOutcome(annotationID: id, kind: .scored(impact, scores: floats)))
      case 1:
        let reason = String(decoding: try reader.bytes(), as: UTF8.self)
        outcomes.append(SampleOutcome(annotationID: id, kind: .skipped(reason: reason)))
      case let kind: throw SurveyError("a result has outcome \(kind); known are 0 and 1")
      }
    }
    try reader.finish()
    self.outcomes = outcomes
  }
}

/// Little-endian integers and counted bytes.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func integer(_ value: Int) {
    withUnsafeBytes(of: Int64(value).littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func bytes(_ more: [UInt8]) {
    integer(more.count)
    bytes += more
  }
}

/// Reads what `ByteWriter` wrote, and throws where bytes are missing.
struct ByteReader {
  private let all: [UInt8]
  private var at = 0

  init(_ bytes: [UInt8]) { all = bytes }

  mutating func integer() throws -> Int {
    guard all.count - at >= 8 else { throw SurveyError("a result ends at byte \(all.count), inside a number") }
    defer { at += 8 }
    return all.withUnsafeBytes { Int(Int64(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Int64.self))) }
  }

  mutating func bytes() throws -> [UInt8] {
    let count = try integer()
    guard count >= 0, count <= all.count - at else {
      throw SurveyError("a result claims \(count) bytes at byte \(at) of \(all.count)")
    }
    defer { at += count }
    return Array(all[at..<at + count])
  }

  func finish() throws {
    guard at == all.count else { throw SurveyError("a result has \(all.count - at) bytes too many") }
  }
}
