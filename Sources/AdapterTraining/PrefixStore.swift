import Foundation
import Jobs
import Safetensors
import Kernels

/// The hidden states that enter the lowest adapted layer, one array a sample: computed once, kept in memory up to a limit and
/// beyond it in a file that is gone with the process. Values are float32, or bf16 in that precision.
final class PrefixStore {
  private let memoryLimit: Int
  private let folder: URL
  private let warn: (String) -> Void
  private var held: [Int: [UInt8]] = [:]
  private var spilled: [Int: Place] = [:]
  private var heldBytes = 0
  private var file: SpillFile?
  private var isFull = false

  private struct Place {
    let offset: Int
    let count: Int
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
  /// - Throws: `JobError` where the file gives something else than was written.
  func bytes(of sample: Int) throws -> [UInt8]? {
    if let bytes = held[sample] { return bytes }
    guard let place = spilled[sample], let file else { return nil }
    let bytes = try file.read(place.offset, count: place.count)
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
      let file = try self.file ?? SpillFile(in: folder)
      self.file = file
      let offset = try file.append(bytes)
      spilled[sample] = Place(
        offset: offset, count: bytes.count, digest: try bytes.withUnsafeBytes { try SHA256.hex(of: $0) })
    } catch let error as JobError {
      isFull = true
      warn(
        "\(error); samples beyond it are recomputed in every epoch: raise --cache-memory, or choose another --cache-dir"
      )
    }
  }

  private static func bfloat16(_ x: Float) -> UInt16 {
    let bits = x.bitPattern
    guard bits & 0x7fff_ffff <= 0x7f80_0000 else { return UInt16(bits >> 16) | 0x40 }
    return UInt16((bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }
}

/// A file without a name: it goes with the process, however that ends.
private final class SpillFile {
  private let descriptor: Int32
  private let folder: URL
  private var end = 0

  init(in folder: URL) throws {
    self.folder = folder
    var template = Array((folder.path + "/.headimpact-cache-XXXXXX").utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw JobError("\(folder.path): a cache file can't be created here: \(String(cString: strerror(errno)))")
    }
    unlink(template)
  }

  deinit { close(descriptor) }

  func append(_ bytes: [UInt8]) throws -> Int {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        buffer.baseAddress.map { pwrite(descriptor, $0 + done, bytes.count - done, off_t(end + done)) } ?? 0
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw JobError("\(folder.path): the cache file can't be enlarged: \(String(cString: strerror(errno)))")
      }
      done += count
    }
    defer { end += bytes.count }
    return end
  }

  func read(_ offset: Int, count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        buffer.baseAddress.map { pread(descriptor, $0 + done, count - done, off_t(offset + done)) } ?? 0
      }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else {
        throw JobError("\(folder.path): the cache file can't be read: \(String(cString: strerror(errno)))")
      }
      done += got
    }
    return bytes
  }
}
