import Foundation
import IO
import Jobs
import RunSupport

/// The hidden states that enter the lowest adapted layer, one array a sample: computed once, kept in memory up to a
/// limit and beyond it in a file that is gone with the process. Values are float32, or bf16 in that precision.
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
  /// What the file leaves free on its disk, in bytes, for the checkpoints and the adapter.
  var reserve = 0

  private struct Place {
    let range: Range<UInt64>
    let digest: String
  }

  /// - Parameters:
  ///   - memoryLimit: in bytes.
  ///   - folder: where the file goes.
  ///   - warn: called once if the disk is full; later samples are then recomputed each time.
  init(
    memoryLimit: Int, folder: URL,
    warn: @escaping (String) -> Void = { StandardError.write("headimpact: \($0)\n") }
  ) {
    self.memoryLimit = memoryLimit
    self.folder = folder
    self.warn = warn
  }

  /// One sample's, encoded; nil if it isn't kept.
  ///
  /// - Throws: `JobError` if the file returns other bytes than were written; `FileCutShort` or `EnvironmentFault`.
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
      if let free = FileSystem.freeBytes(in: folder), free - bytes.count < reserve {
        throw EnvironmentFault(path: file.path, operation: "written", code: ENOSPC)
      }
      try bytes.withUnsafeBytes { try file.write($0, at: end) }
    } catch let error as EnvironmentFault {
      isFull = true
      return warn(
        "\(error); samples beyond it are recomputed in every epoch: raise --cache-memory, or choose another --cache-dir"
      )
    }
    let range = end..<end + UInt64(bytes.count)
    spilled[sample] = Place(range: range, digest: try bytes.withUnsafeBytes { try SHA256.hex(of: $0) })
    end = range.upperBound
  }
}
