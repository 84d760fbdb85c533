import HeadImpact
import IO
import RunSupport

/// What became of one sample.
struct SampleOutcome: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    case scored(ScoredSample)
    /// The sample can't be used, and why.
    case skipped(SkipReason)
  }
  let annotationID: Int
  let kind: Kind
}

/// A sample that was scored, with what the output says of it.
struct ScoredSample: Equatable, Sendable {
  let impact: SampleImpact
  /// As the model was told it.
  let description: String
  /// Which visual tokens the object covers. - Shape: [V]
  let mask: [Bool]
  /// - Shape: [L, H, V], empty unless they are to be saved.
  let scores: [Float]

  func encode(into writer: inout ByteWriter) {
    writer.bytes(impact.encode())
    writer.text(description)
    writer.bytes(mask.map { $0 ? 1 : 0 })
    scores.withUnsafeBytes { writer.bytes(Array($0)) }
  }

  init(impact: SampleImpact, description: String, mask: [Bool], scores: [Float]) {
    (self.impact, self.description, self.mask, self.scores) = (impact, description, mask, scores)
  }

  init(_ reader: inout ByteReader) throws {
    impact = try SampleImpact(decoding: reader.bytes())
    description = try reader.text()
    let covered = try reader.bytes()
    let tokens = impact.tokens
    guard covered.count == tokens.visual, covered.allSatisfy({ $0 <= 1 }) else {
      throw JobError("a result's mask isn't one of \(tokens.visual) visual tokens")
    }
    mask = covered.map { $0 == 1 }
    let bytes = try reader.bytes()
    guard bytes.isEmpty || bytes.count == 4 * impact.layers * impact.heads * tokens.visual else {
      throw JobError("a result's scores are cut off")
    }
    scores = bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }
}

/// The picture of a unit, as the model was shown it.
struct ScoredPicture: Equatable, Sendable {
  let fileName: String
  /// Upright. - Units: pixels.
  let width: Int
  let height: Int
  /// That hold its visual tokens.
  let views: [ImageView]
}

/// The outcomes of one unit's samples, as they travel to rank 0 and lie in the journal.
struct UnitResult: Equatable, Sendable {
  let imageID: Int
  /// Nil if it couldn't be used, and no sample of it.
  let picture: ScoredPicture?
  let outcomes: [SampleOutcome]
  /// What bytes of this layout begin with: a journal of before would be misread.
  private static let layout = "unit 2"

  init(imageID: Int, picture: ScoredPicture?, outcomes: [SampleOutcome]) {
    self.imageID = imageID
    self.picture = picture
    self.outcomes = outcomes
  }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.text(Self.layout)
    writer.integer(imageID)
    writer.optional(picture) { $1.encode(into: &$0) }
    writer.integer(outcomes.count)
    for outcome in outcomes {
      writer.integer(outcome.annotationID)
      switch outcome.kind {
      case .scored(let sample):
        writer.integer(0)
        sample.encode(into: &writer)
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
    guard try reader.text() == Self.layout else {
      throw JobError("a result is of another version of this program")
    }
    imageID = try reader.integer()
    let picture = try reader.optional { try ScoredPicture(&$0) }
    self.picture = picture
    outcomes = try reader.list { reader in
      let id = try reader.integer()
      switch try reader.integer() {
      case 0:
        guard picture != nil else { throw JobError("a result has sample \(id) of no picture") }
        return SampleOutcome(annotationID: id, kind: .scored(try ScoredSample(&reader)))
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
}

extension ScoredPicture {
  func encode(into writer: inout ByteWriter) {
    writer.text(fileName)
    writer.integer(width)
    writer.integer(height)
    writer.list(views) { writer, view in
      writer.text(view.kind.rawValue)
      writer.integer(view.grid.rows)
      writer.integer(view.grid.cols)
      for edge in [view.box.x0, view.box.y0, view.box.x1, view.box.y1] {
        writer.integer(Int(Int64(bitPattern: edge.bitPattern)))
      }
    }
  }

  init(_ reader: inout ByteReader) throws {
    fileName = try reader.text()
    (width, height) = (try reader.integer(), try reader.integer())
    guard width > 0, height > 0, width <= Int32.max, height <= Int32.max else {
      throw JobError("a result has a picture of \(width) x \(height) pixels")
    }
    views = try reader.list { try Self.view(&$0) }
  }

  private static func view(_ reader: inout ByteReader) throws -> ImageView {
    let name = try reader.text()
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
