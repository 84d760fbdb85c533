import HeadImpact

/// A large dataset of floats, written chunk by chunk as its rows come.
struct ChunkedColumn {
  /// About as many values make a chunk.
  private static let valuesPerChunk = 65_536

  private let file: HDF5File
  private let name: String
  private let compression: HeadImpactFile.Compression
  private let rowsPerChunk: Int
  private let valuesPerRow: Int
  /// Complete, and not yet written.
  private var chunks: [[Float]] = []
  /// Of the chunk that isn't complete.
  private var values: [Float] = []
  /// Rows of the chunks that are written.
  private var written = 0

  private var valuesPerChunk: Int { rowsPerChunk * valuesPerRow }

  /// - Parameters:
  ///   - shape: of the whole dataset, rows first.
  ///   - dimensions: of its axes.
  init(
    _ file: HDF5File, _ name: String, _ meaning: String, shape: [Int], dimensions: [String],
    _ compression: HeadImpactFile.Compression
  ) throws {
    (self.file, self.name, self.compression) = (file, name, compression)
    valuesPerRow = shape.dropFirst().reduce(1, *)
    rowsPerChunk = max(1, min(shape[0], Self.valuesPerChunk / valuesPerRow))
    try file.createDataset(
      name, of: Float.self, shape: shape, dimensions: dimensions,
      storage: .compressed(chunk: [rowsPerChunk] + shape.dropFirst()))
    try HeadImpactFile.describe(file, name, meaning, units: "1")
  }

  /// The next rows' values.
  mutating func append(_ rows: some RandomAccessCollection<Float>) throws {
    precondition(rows.count % valuesPerRow == 0, "every row has a value for each measure, layer and head")
    var rest = rows[...]
    while !rest.isEmpty {
      if values.isEmpty { values.reserveCapacity(valuesPerChunk) }
      let some = rest.prefix(valuesPerChunk - values.count)
      values += some
      rest = rest[some.endIndex...]
      guard values.count == valuesPerChunk else { return }
      chunks.append(values)
      values = []
      if chunks.count == compression.chunksAtATime { try writeChunks() }
    }
  }

  /// Writes what is left: the last chunk is filled up with zeros.
  mutating func finish() throws {
    if !values.isEmpty {
      chunks.append(values + [Float](repeating: 0, count: valuesPerChunk - values.count))
      values = []
    }
    try writeChunks()
  }

  private mutating func writeChunks() throws {
    guard !chunks.isEmpty else { return }
    for chunk in try compression.compress(chunks) {
      try file.writeChunk(chunk, to: name, from: written)
      written += rowsPerChunk
    }
    chunks = []
  }
}
