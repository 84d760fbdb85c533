import IO

/// What the weights are, from a small part of their bytes: another fine-tuned model of the same shapes has other ones.
extension SafetensorsCheckpoint {
  /// Pieces of each tensor.
  private static let pieces = 64
  /// - Units: bytes.
  private static let pieceBytes = 64

  /// SHA-256 over sampled bytes of each tensor, the tensors in the byte order of their names: of a tensor of n > 4096 bytes,
  /// the 64 bytes from ⌊i (n - 64) / 63⌋ on, for i from 0 to 63; a smaller one whole. A checkpoint of 4 GB costs some 23,000
  /// reads of one page.
  ///
  /// - Throws: `UnusableFile` naming a file that can't be read.
  public func sampleDigest() throws -> String {
    let samples = tensors.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
      .flatMap { tensor in
        Self.pieces(of: tensor.byteCount).map { (tensor.file, tensor.offset + $0.lowerBound, $0.count) }
      }
    // All reads are on their way before the first is waited for: a file system answers one after the other slowly.
    for (file, offset, count) in samples { file.prefetch(offset..<offset + count) }
    var digest = try SHA256()
    for (file, offset, count) in samples {
      try file.read(offset..<offset + count).withUnsafeBytes { try digest.update($0) }
    }
    return try digest.finalize()
  }

  /// - Returns: byte ranges in a tensor of `count` bytes.
  static func pieces(of count: Int) -> [Range<Int>] {
    guard count > pieces * pieceBytes else { return count == 0 ? [] : [0..<count] }
    return (0..<pieces).map { index in
      let first = index * (count - pieceBytes) / (pieces - 1)
      return first..<first + pieceBytes
    }
  }
}
