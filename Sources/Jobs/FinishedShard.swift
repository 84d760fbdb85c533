import Foundation
import RunSupport

/// What a finished shard reports.
public struct FinishedShard: Sendable {
  public let shard: Shard
  public let url: URL
  /// How many units it has.
  public let units: Int
  /// Of these units, usable or not.
  public let skips: SkipCounts
  /// False if it was already finished by the run to resume.
  public let isNew: Bool

  init(_ manifest: ShardManifest, at url: URL, isNew: Bool) {
    (shard, units, skips) = (manifest.shard, manifest.units, manifest.skips)
    (self.url, self.isNew) = (url, isNew)
  }

  /// An earlier run's.
  ///
  /// - Parameter attend: called before each record is read.
  /// - Throws: `JobError` if the file is damaged, no shard, or of another run.
  init(_ shard: Shard, in url: URL, isOf identity: RunIdentity, attend: () throws -> Void) throws {
    let file = try ShardFile(url, attend: attend)
    try file.identity.of(file.manifest.shard).requireSame(as: identity.of(shard), finished: url)
    self.init(file.manifest, at: url, isNew: false)
  }
}
