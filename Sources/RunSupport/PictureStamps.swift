import Foundation
import IO

/// Sizes and times of last change of a run's pictures, 16 bytes a picture.
///
/// Invariant: `keys` is ascending, and `stamps` has one number for each key.
public struct PictureStamps: Sendable {
  /// Digests of the names.
  private let keys: [UInt64]
  /// Digests of sizes and times; 0 for a picture that doesn't exist.
  private let stamps: [UInt64]

  /// - Parameter stamps: by `examine`, of the same names in the same order.
  public init(_ names: [String], _ stamps: [UInt64]) {
    precondition(names.count == stamps.count)
    let all = zip(names.map(Self.key), stamps).sorted { $0.0 < $1.0 }
    (keys, self.stamps) = (all.map(\.0), all.map(\.1))
  }

  /// Several at a time, since a network file system answers each after a while.
  private static let together = 16

  /// The stamps of some pictures; 0 for one that doesn't exist, or whose name leads out of the folder.
  ///
  /// - Throws: `EnvironmentFault` if the system can't tell.
  public static func examine(_ names: [String], in folder: URL) throws -> [UInt64] {
    let count = min(together, max(1, names.count / 64))
    let parts = (0..<count).map { Array(names[names.count * $0 / count..<names.count * ($0 + 1) / count]) }
    let found = Gathered(count: count)
    DispatchQueue.concurrentPerform(iterations: count) { part in
      found.set(part, Result { try parts[part].map { try stamp(of: $0, in: folder) } })
    }
    return try found.all()
  }

  /// What changed of a picture since it was examined, in words; nil if nothing did, or it is unknown.
  ///
  /// - Throws: `EnvironmentFault` if the system can't tell.
  func change(of name: String, in folder: URL) throws -> String? {
    guard let before = self[name] else { return nil }
    let now = try Self.stamp(of: name, in: folder)
    if now == before { return nil }
    return before == 0 ? "did not exist when the run began, and exists now" : "changed since the run began"
  }

  private subscript(name: String) -> UInt64? {
    let key = Self.key(name)
    var range = 0..<keys.count
    while !range.isEmpty {
      let middle = (range.lowerBound + range.upperBound) / 2
      if keys[middle] == key { return stamps[middle] }
      range = keys[middle] < key ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return nil
  }

  private static func stamp(of name: String, in folder: URL) throws -> UInt64 {
    guard RelativePath.staysInside(name), let stamp = try FileStamp(folder.appendingPathComponent(name).path) else {
      return 0
    }
    return withUnsafeBytes(of: (stamp.size, stamp.modified)) { max(1, digest($0)) }
  }

  private static func key(_ name: String) -> UInt64 {
    var name = name
    return name.withUTF8 { digest(UnsafeRawBufferPointer($0)) }
  }

  /// 64 bits (FNV-1a).
  private static func digest(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    bytes.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
  }

  /// Results of parts that are examined at the same time.
  ///
  /// Invariant of `@unchecked Sendable`: the lock guards `parts`.
  private final class Gathered: @unchecked Sendable {
    private let lock = NSLock()
    private var parts: [Result<[UInt64], any Error>?]

    init(count: Int) { parts = Array(repeating: nil, count: count) }

    func set(_ part: Int, _ result: Result<[UInt64], any Error>) { lock.withLock { parts[part] = result } }

    func all() throws -> [UInt64] { try lock.withLock { try parts.flatMap { try $0?.get() ?? [] } } }
  }
}
