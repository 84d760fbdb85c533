import Foundation
import IO
import MessagePassing
import RunSupport

/// What one rank couldn't use, another tries: only samples that both must skip are faults of the data. Otherwise a
/// host has other files, or is broken, and the run stops.
extension UnitRun {
  /// The samples of a unit that can't be used here, either, as they are handed in.
  ///
  /// - Parameter first: another rank's result.
  /// - Throws: errors of the environment; those of `poll`, as they are.
  func check(_ unit: Job.Unit, first: [UInt8], poll: @escaping () throws -> Void) throws -> [UInt8] {
    var failure: (any Error)?
    func polling() throws {
      do { try poll() } catch {
        failure = error
        throw error
      }
    }
    do {
      return try pictures.working {
        let first = try job.decode(first)
        return try Self.encode(job.watched.during { try skipped(of: unit, like: first, poll: polling) })
      }
    } catch { throw failure ?? error }
  }

  private func skipped(
    of unit: Job.Unit, like first: Job.UnitOutcome, poll: @escaping () throws -> Void
  ) throws -> [SkippedSample] {
    let faults = try job.faults(of: unit, in: pictures)
    if Self.outcomes(faults) == Self.outcomes(first.skipped) { return faults }
    return try job.compute(unit, in: pictures, poll: poll).skipped
  }

  /// - Parameters:
  ///   - first: the rank that computed `result`.
  ///   - skipped: what can't be used on the rank that checked it.
  /// - Throws: `JobError` with both ranks, hosts and outcomes, if they don't skip the same samples.
  func requireSame(
    _ result: Job.UnitOutcome, of first: WorkReport, as skipped: [SkippedSample], of check: WorkReport
  ) throws {
    let (before, now) = (Self.outcomes(result.skipped), Self.outcomes(skipped))
    guard before != now else { return }
    let differing = Set(before.keys).union(now.keys).filter { before[$0] != now[$0] }.sorted()
    func outcome(_ samples: [SkippedSample], _ id: Int64, _ report: WorkReport) -> String {
      let sample = samples.first { $0.id == id }
      return "\(name(of: report.rank)) \(sample.map { "can't use it: \($0.reason.text)" } ?? "can use it")"
    }
    let lines = differing.prefix(5).map { id in
      "\n  \(Job.words.sample) \(id): \(outcome(result.skipped, id, first)); \(outcome(skipped, id, check))"
    }
    let samples = counted(differing.count, Job.words.sample)
    throw JobError(
      "\(name(of: first.rank)) and \(name(of: check.rank)) disagree about \(samples) of image "
        + "\(result.key): their files differ, or a host is broken\(lines.joined())\n"
        + "Nothing is recorded of the image: mend the host, and continue with --resume")
  }

  /// "rank 3, host node2".
  func name(of rank: Int) -> String {
    "rank \(rank), host \(hosts.indices.contains(rank) ? hosts[rank] : "unknown")"
  }

  /// The kind of fault of each sample that is skipped. Texts may have paths of a host.
  private static func outcomes(_ skipped: [SkippedSample]) -> [Int64: SkipKind] {
    Dictionary(skipped.map { ($0.id, $0.reason.kind) }, uniquingKeysWith: { first, _ in first })
  }

  static func encode(_ samples: [SkippedSample]) -> [UInt8] {
    var writer = ByteWriter()
    writer.list(samples) { writer, sample in
      writer.integer(Int(sample.id))
      writer.text(sample.reason.kind.rawValue)
      writer.text(sample.reason.text)
    }
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws -> [SkippedSample] {
    var reader = ByteReader(bytes)
    let samples = try reader.list { reader in
      let (id, kind) = (Int64(try reader.integer()), try reader.text())
      guard let kind = SkipKind(rawValue: kind) else {
        throw JobError("a rank's message names \"\(kind)\" as a kind of skip")
      }
      return SkippedSample(id: id, reason: SkipReason(kind, try reader.text()))
    }
    try reader.finish()
    return samples
  }
}
