import Foundation
import IO
import RunSupport

/// The last record of a finished shard: what the others must agree with, and what finishing needs without the inputs.
public struct ShardManifest: Codable, Sendable {
  /// The first bytes of its record. No unit's record begins so.
  static let magic = Array("HISHARD1\n".utf8)

  /// All units of the job.
  public struct Plan: Codable, Equatable, Sendable {
    public let units: Int
    public let samples: Int
    /// Of the units' keys, ascending.
    public let keysSHA256: String

    public init(keys: [Int], samples: Int) throws {
      (units, self.samples) = (keys.count, samples)
      keysSHA256 = try Self.digest(of: keys)
    }

    static func digest(of keys: some Sequence<Int>) throws -> String {
      try keys.sorted().map { Int64($0).littleEndian }.withUnsafeBytes { try SHA256.hex(of: $0) }
    }
  }

  public let shard: Shard
  public let plan: Plan
  /// Of the shard; so too the next.
  public let units: Int
  public let skips: SkipCounts
  /// The samples that the dataset's reader left out, of the whole job.
  public let lost: [SkippedSample]
  /// The time that the shard's last run computed, in seconds.
  public let seconds: Double
  /// The job's own part.
  public let content: String

  public init(
    _ shard: Shard, plan: Plan, units: Int, skips: SkipCounts, lost: [SkippedSample], seconds: Double, content: String
  ) {
    (self.shard, self.plan, self.units, self.skips) = (shard, plan, units, skips)
    (self.lost, self.seconds, self.content) = (lost, seconds, content)
  }

  func encode() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return Self.magic + Array(try encoder.encode(self))
  }

  static func isManifest(_ record: [UInt8]) -> Bool { record.starts(with: magic) }

  /// - Throws: `JobError` if the record is no manifest.
  init(decoding record: [UInt8]) throws {
    guard Self.isManifest(record) else { throw JobError("its last record is not that of a finished shard") }
    do { self = try JSONDecoder().decode(Self.self, from: Data(record.dropFirst(Self.magic.count))) } catch {
      throw JobError("its last record was written by another version of this program")
    }
  }
}

extension RunIdentity {
  private static let shardPart = "--shard"

  /// The identity of a shard of this run; of the run itself without one.
  func of(_ shard: Shard?) -> RunIdentity {
    guard let shard else { return self }
    return RunIdentity(parts.map { ($0.name, $0.value) } + [(Self.shardPart, shard.description)])
  }

  /// The identity of the whole run that a shard is of.
  var ofWholeRun: RunIdentity { without([Self.shardPart]) }
}
