import Foundation
import IO
import RunSupport

/// A finished shard: a journal whose last record is a manifest. Every digest has been checked.
public final class ShardFile {
  public let url: URL
  /// Of the whole run that it is a shard of.
  public let identity: RunIdentity
  public let manifest: ShardManifest
  /// The byte ranges of the units' records.
  let records: [Range<UInt64>]
  private let file: OpenFile

  /// - Parameter attend: called before each record is read.
  /// - Throws: `JobError` if the file is no shard, not finished or damaged; what `attend` throws.
  public init(_ url: URL, attend: () throws -> Void = {}) throws {
    self.url = url
    do { file = try OpenFile(url, flags: O_RDONLY) } catch { throw JobError("\(error)") }
    let log = AppendLog(file)
    let (start, size) = (UInt64(Journal.magic.count), file.size)
    guard try file.read(0..<min(start, size)) == Journal.magic, let first = try log.record(at: start, size: size)
    else { throw JobError("\(url.path): is no shard of a run of this program") }
    let scan = try AppendLogScan(log, from: first.upperBound, size: size, attend: attend)
    let remedy = "remove it, and run that shard again"
    if let damage = scan.firstDamage {
      throw JobError("\(url.path): is damaged from byte \(damage) on; \(remedy)")
    }
    let identity: RunIdentity
    do {
      identity = try RunIdentity(decoding: file.read(first))
      guard let last = scan.records.last else { throw JobError("it has no record") }
      manifest = try ShardManifest(decoding: file.read(last))
    } catch {
      throw JobError(
        "\(url.path): is no finished shard: \(error). Finish it (score --shard … --resume), or \(remedy)")
    }
    self.identity = identity.ofWholeRun
    guard identity == self.identity.of(manifest.shard) else {
      throw JobError("\(url.path): begins as another shard than \(manifest.shard), as which it ends; \(remedy)")
    }
    // Where a run ended just before it renamed its journal, an earlier manifest is among the records.
    let file = file
    records = try scan.records.filter { !ShardManifest.isManifest(try file.read($0.prefix(ShardManifest.magic.count))) }
  }

  func read(_ record: Range<UInt64>) throws -> [UInt8] { try file.read(record) }
}
