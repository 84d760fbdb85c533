import IO
import Jobs
import RunSupport

/// What `score --shard` prints.
struct ShardSummary {
  private let shard: FinishedShard

  init(_ shard: FinishedShard) { self.shard = shard }

  func print(as format: OutputFormat) throws {
    switch format {
    case .table:
      let skipped = shard.skips.text.map { ", " + $0 } ?? ""
      let state = shard.isNew ? "" : "; it was already finished"
      Swift.print(
        "shard \(shard.shard): \(counted(shard.skips.samples - shard.skips.skipped, "sample"))\(skipped) -> \(shard.url.path)\(state)"
      )
    case .json:
      Swift.print(
        try jsonText(
          Report(
            output: shard.url.path, shard: shard.shard.description, units: shard.units,
            samples: shard.skips.samples - shard.skips.skipped, skipped: shard.skips.skipped, skips: shard.skips)))
    }
  }

  private struct Report: Encodable {
    let output: String
    let shard: String
    let units: Int
    let samples: Int
    let skipped: Int
    let skips: SkipCounts
  }
}
