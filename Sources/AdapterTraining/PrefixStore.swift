import Foundation
import Jobs
import IO
import Kernels
import RunSupport
import Safetensors

/// The hidden states that enter the lowest adapted layer, one array a sample: computed once, kept in memory up to a limit and
/// beyond it in a file that is gone with the process. Values are float32, or bf16 in that precision.
final class PrefixStore {
  private let memoryLimit: Int
  private let folder: URL
  private let warn: (String) -> Void
  private var held: [Int: [UInt8]] = [:]
  private var spilled: [Int: Place] = [:]
  private var heldBytes = 0
  private var file: OpenFile?
  private var end: UInt64 = 0
  private var isFull = false

  private struct Place {
    let range: Range<UInt64>
    let digest: String
  }

  /// - Parameters:
  ///   - memoryLimit: in bytes.
  ///   - folder: where the file goes.
  ///   - warn: told once where the disk takes no more; later samples are then computed anew each time.
  init(
    memoryLimit: Int, folder: URL,
    warn: @escaping (String) -> Void = { FileHandle.standardError.write(Data("headimpact: \($0)\n".utf8)) }
  ) {
    self.memoryLimit = memoryLimit
    self.folder = folder
    self.warn = warn
  }

  /// As the store keeps them: what a pass without the store must use too.
  ///
  /// - Shape: hidden [T, C], flat.
  static func encode(_ hidden: [Float], _ precision: Precision) -> [UInt8] {
    switch precision {
    case .f32: hidden.withUnsafeBytes { Array($0) }
    case .bf16: hidden.map(bfloat16).withUnsafeBytes { Array($0) }
    }
  }

  /// The way back.
  static func decode(_ bytes: [UInt8], _ precision: Precision) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      switch precision {
      case .f32: (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      case .bf16:
        (0..<bytes.count / 2).map {
          Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16)
        }
      }
    }
  }

  /// One sample's, encoded; nil where it isn't kept.
  ///
  /// - Throws: `JobError` where the file gives something else than was written; `FileCutShort` or `EnvironmentFault`.
  func bytes(of sample: Int) throws -> [UInt8]? {
    if let bytes = held[sample] { return bytes }
    guard let place = spilled[sample], let file else { return nil }
    let bytes = try file.read(place.range)
    guard try bytes.withUnsafeBytes({ try SHA256.hex(of: $0) }) == place.digest else {
      throw JobError(
        "the cache file in \(folder.path) returned different bytes than were written: is that disk healthy? Choose another --cache-dir"
      )
    }
    return bytes
  }

  func keep(_ bytes: [UInt8], of sample: Int) throws {
    guard held[sample] == nil, spilled[sample] == nil else { return }
    if heldBytes + bytes.count <= memoryLimit {
      held[sample] = bytes
      heldBytes += bytes.count
      return
    }
    guard !isFull else { return }
    do {
      let file = try self.file ?? OpenFile(temporaryIn: folder)
      self.file = file
      try bytes.withUnsafeBytes { try file.write($0, at: end) }
    } catch let error as EnvironmentFault {
      isFull = true
      return warn(
        "\(error); samples beyond are computed anew in every epoch: give more --cache-memory, or another --cache-dir")
    }
    let range = end..<end + UInt64(bytes.count)
    spilled[sample] = Place(range: range, digest: try bytes.withUnsafeBytes { try SHA256.hex(of: $0) })
    end = range.upperBound
  }

  private static func bfloat16(_ x: Float) -> UInt16 {
    let bits = x.bitPattern
    guard bits & 0x7fff_ffff <= 0x7f80_0000 else { return UInt16(bits >> 16) | 0x40 }
    return UInt16((bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }
}
