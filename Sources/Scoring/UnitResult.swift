import HeadImpact
import IO
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
  /// What the model was shown of the image; none if nothing could be.
  let views: [ImageView]
  let outcomes: [SampleOutcome]

  init(imageID: Int, views: [ImageView], outcomes: [SampleOutcome]) {
    self.imageID = imageID
    self.views = views
    self.outcomes = outcomes
  }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.integer(imageID)
    writer.integer(views.count)
    for view in views {
      writer.bytes(Array(view.kind.rawValue.utf8))
      writer.integer(view.grid.rows)
      writer.integer(view.grid.cols)
      for edge in [view.box.x0, view.box.y0, view.box.x1, view.box.y1] {
        writer.integer(Int(Int64(bitPattern: edge.bitPattern)))
      }
    }
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

  /// - Throws: `JobError` or `ByteCodingError` if the bytes aren't a result.
  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    imageID = try reader.integer()
    views = try reader.list { try Self.view(&$0) }
    outcomes = try reader.list { reader in
      let id = try reader.integer()
      switch try reader.integer() {
      case 0:
        let impact = try SampleImpact(decoding: reader.bytes())
        let scores = try reader.bytes()
        guard scores.count % 4 == 0 else { throw JobError("a result's scores are cut off") }
        let floats = scores.withUnsafeBytes { bytes in
          (0..<scores.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        return SampleOutcome(annotationID: id, kind: .scored(impact, scores: floats))
      case 1:
        let name = String(decoding: try reader.bytes(), as: UTF8.self)
        guard let kind = SkipKind(rawValue: name) else {
          throw JobError("a result has \"\(name)\" as its kind of skip")
        }
        let text = String(decoding: try reader.bytes(), as: UTF8.self)
        return SampleOutcome(annotationID: id, kind: .skipped(SkipReason(kind, text)))
      case let kind: throw JobError("a result has outcome \(kind); known are 0 and 1")
      }
    }
    try reader.finish()
  }

  private static func view(_ reader: inout ByteReader) throws -> ImageView {
    let name = String(decoding: try reader.bytes(), as: UTF8.self)
    let (rows, columns) = (try reader.integer(), try reader.integer())
    let sides = 1...65_536
    guard let kind = ImageView.Kind(rawValue: name), sides.contains(rows), sides.contains(columns) else {
      throw JobError("a result has a view \"\(name)\" of \(rows) x \(columns) tokens")
    }
    let edges = try (0..<4).map { _ in Double(bitPattern: UInt64(bitPattern: Int64(try reader.integer()))) }
    return ImageView(
      kind: kind, grid: ViewGrid(rows: rows, cols: columns),
      box: Cell(x0: edges[0], y0: edges[1], x1: edges[2], y1: edges[3]))
  }
}
