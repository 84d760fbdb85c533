internal import CHDF5

/// The values of one chunk as HDF5's filters leave them: bytes shuffled, then deflated. The library compresses on one thread;
/// chunks may be made anywhere, by many threads or ranks, and are written by `HDF5File.writeChunk`.
public struct CompressedChunk: Sendable, Equatable {
  public let bytes: [UInt8]

  /// Chunks that were made elsewhere.
  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// - Parameters:
  ///   - values: all of the chunk, also those outside the dataset.
  ///   - level: as in `HDF5Storage`.
  /// - Throws: `HDF5Error` if zlib has no memory.
  public init(_ values: [Float], level: Int = HDF5Storage.standardLevel) throws {
    let width = MemoryLayout<Float>.size
    let shuffled = [UInt8](unsafeUninitializedCapacity: width * values.count) { bytes, initialized in
      for (i, value) in values.enumerated() {
        let bits = value.bitPattern
        for byte in 0..<width {
          bytes.initializeElement(
            at: byte * values.count + i, to: UInt8(truncatingIfNeeded: bits >> UInt32(8 * byte)))
        }
      }
      initialized = width * values.count
    }
    var failure = Z_OK
    bytes = [UInt8](unsafeUninitializedCapacity: Int(compressBound(uLong(shuffled.count)))) { bytes, initialized in
      var count = uLong(bytes.count)
      failure = compress2(bytes.baseAddress, &count, shuffled, uLong(shuffled.count), Int32(level))
      initialized = failure == Z_OK ? Int(count) : 0
    }
    guard failure == Z_OK else {
      throw HDF5Error(file: "zlib", object: nil, operation: "compress a chunk", reason: "code \(failure)")
    }
  }
}
