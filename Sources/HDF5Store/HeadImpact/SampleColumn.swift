import HeadImpact

/// `sample_hi`, written chunk by chunk.
struct SampleColumn {
  private static let name = "sample_hi"
  /// About as many values make a chunk.
  private static let valuesPerChunk = 65_536

  private let file: HDF5File
  private let compression: HeadImpactFile.Compression
  private let rowsPerChunk: Int
  private let valuesPerRow: Int
  /// Complete, and not yet written.
  private var chunks: [[Float]] = []
  /// Of the chunk that isn't complete.
  private var values: [Float] = []
  /// Rows of the chunks that are written.
  private var written = 0

  init(
    _ file: HDF5File, _ table: HeadImpactTable, samples: Int, _ compression: HeadImpactFile.Compression
  ) throws {
    (self.file, self.compression) = (file, compression)
    let shape = [table.measures.count, table.layers, table.heads]
    valuesPerRow = shape.reduce(1, *)
    rowsPerChunk = max(1, min(samples, Self.valuesPerChunk / valuesPerRow))
    try file.createDataset(
      Self.name, of: Float.self, shape: [samples] + shape, dimensions: ["sample"] + HeadImpactFile.cube,
      storage: .compressed(chunk: [rowsPerChunk] + shape))
    try HeadImpactFile.describe(file, Self.name, "Head Impact of each sample", units: "1")
  }

  /// The next sample's values.
  mutating func append(_ row: [Double]) throws {
    precondition(row.count == valuesPerRow, "every sample has a value for each measure, layer and head")
    if values.isEmpty { values.reserveCapacity(rowsPerChunk * valuesPerRow) }
    for value in row { values.append(Float(value)) }
    guard values.count == rowsPerChunk * valuesPerRow else { return }
    chunks.append(values)
    values = []
    if chunks.count == compression.chunksAtATime { try writeChunks() }
  }

  /// Writes what is left: the last chunk is filled up with zeros.
  mutating func finish() throws {
    if !values.isEmpty {
      chunks.append(values + [Float](repeating: 0, count: rowsPerChunk * valuesPerRow - values.count))
      values = []
    }
    try writeChunks()
  }

  private mutating func writeChunks() throws {
    guard !chunks.isEmpty else { return }
    for chunk in try compression.compress(chunks) {
      try file.writeChunk(chunk, to: Self.name, from: written)
      written += rowsPerChunk
    }
    chunks = []
  }
}
