import IO

/// One tensor of a file, in place: nothing is read until its bytes are.
public struct TensorView: Sendable {
  public let name: String
  public let dtype: SafetensorsDType
  /// Empty for a scalar.
  public let shape: [Int]
  /// The file that holds the tensor. Keeping it keeps the bytes' addresses valid and unchanged.
  public let file: MappedFile
  /// Where the tensor starts.
  ///
  /// - Units: bytes from the start of the file.
  public let offset: Int
  /// - Units: bytes.
  public let byteCount: Int

  /// The product of `shape`.
  public var count: Int { byteCount / dtype.byteCount }

  /// Whether the tensor's address suits its element type. The format doesn't promise it: a header may have any length, and
  /// some writers don't pad it.
  public var isAligned: Bool { offset.isMultiple(of: dtype.byteCount) }

  /// Calls `body` with the tensor's bytes, little-endian and row-major.
  ///
  /// The pointer stays valid after the call only as long as `file` is kept.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try file.withBytes(in: offset..<offset + byteCount, body)
  }
}
