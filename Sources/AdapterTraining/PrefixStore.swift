import Foundation
import IO
import Jobs
import RunSupport

/// What enters a layer, one array for what the samples of a picture share and one for each sample's own rows: computed
/// once, kept in memory up to a limit and beyond it in a file that is gone with the process. Values are float32, or bf16 in
/// that precision.
final class PrefixStore {
  /// What an array is of.
  enum Key: Hashable {
    case picture(Int)
    case sample(Int)
  }

  private let memoryLimit: Int
  private let folder: URL
  private let warn: (String) -> Void
  private var held: [Key: [UInt8]] = [:]
  private var spilled: [Key: Place] = [:]
  private var heldBytes = 0
  private var file: OpenFile?
  private var end: UInt64 = 0
  /// Whether it keeps nothing more.
  private(set) var isFull = false
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

  /// What was kept, encoded; nil if it wasn't.
  ///
  /// - Throws: `JobError` if the file returns other bytes than were written; `FileCutShort` or `EnvironmentFault`.
  func bytes(of key: Key) throws -> [UInt8]? {
    if let bytes = held[key] { return bytes }
    guard let place = spilled[key], let file else { return nil }
    let bytes = try file.read(place.range)
    guard try bytes.withUnsafeBytes({ try SHA256.hex(of: $0) }) == place.digest else {
      throw JobError(
        "the cache file in \(folder.path) returned different bytes than were written: is that disk healthy? Choose another --cache-dir"
      )
    }
    return bytes
  }

  /// Whether a picture's states are kept.
  func keeps(_ picture: Int) -> Bool { held[.picture(picture)] != nil || spilled[.picture(picture)] != nil }

  /// A picture's states, and those of some of its samples; nil if one of them isn't kept.
  ///
  /// - Throws: as `bytes`.
  func states(of picture: Int, _ samples: [Int]) throws -> PictureStates? {
    let keys = [.picture(picture)] + samples.map { Key.sample($0) }
    guard keys.allSatisfy({ held[$0] != nil || spilled[$0] != nil }) else { return nil }
    return PictureStates(
      shared: try bytes(of: .picture(picture)) ?? [], own: try samples.map { try bytes(of: .sample($0)) ?? [] })
  }

  /// Keeps a picture's states and those of some of its samples, each where it isn't kept yet.
  ///
  /// - Returns: the samples whose states it could not keep.
  func keep(_ states: PictureStates, of picture: Int, _ samples: [Int]) throws -> [Int] {
    guard try keep(states.shared, of: .picture(picture)) else { return samples }
    return try zip(samples, states.own).filter { try !keep($1, of: .sample($0)) }.map(\.0)
  }

  /// - Returns: false if there is no room.
  @discardableResult
  func keep(_ bytes: [UInt8], of key: Key) throws -> Bool {
    guard held[key] == nil, spilled[key] == nil else { return true }
    if heldBytes + bytes.count <= memoryLimit {
      held[key] = bytes
      heldBytes += bytes.count
      return true
    }
    guard !isFull else { return false }
    do {
      let file = try self.file ?? OpenFile(temporaryIn: folder)
      self.file = file
      if let free = FileSystem.freeBytes(in: folder), free - bytes.count < reserve {
        throw EnvironmentFault(path: file.path, operation: "written", code: ENOSPC)
      }
      try bytes.withUnsafeBytes { try file.write($0, at: end) }
    } catch let error as EnvironmentFault {
      isFull = true
      warn(
        "\(error); samples beyond it are recomputed in every epoch: raise --cache-memory, or choose another --cache-dir"
      )
      return false
    }
    let range = end..<end + UInt64(bytes.count)
    spilled[key] = Place(range: range, digest: try bytes.withUnsafeBytes { try SHA256.hex(of: $0) })
    end = range.upperBound
    return true
  }
}
