import Foundation
import IO
import MessagePassing
import RunSupport

/// One run of a unit job over all ranks: the journal, the work sharing, and the progress.
final class UnitRun<Job: UnitJob> {
  private let job: Job
  private let configuration: any UnitJobConfiguration
  private let world: Communicator
  private let claim: ClaimedOutput
  private let pictures: Pictures

  // Only on rank 0.
  private var journal: Journal?
  private var progress: ProgressReporter?
  private var samples = 0
  private var total = 0
  private var skipped: [SkippedSample] = []

  /// Every rank makes one at the same time.
  ///
  /// - Throws: on every rank, if one of them has no such folder of images, or sees other files in it than rank 0.
  init(_ job: Job, _ configuration: any UnitJobConfiguration, claim: ClaimedOutput, on world: Communicator) throws {
    self.job = job
    self.configuration = configuration
    self.world = world
    self.claim = claim
    pictures = try Pictures(
      job.units.reduce(into: []) { $0.formUnion($1.fileNames) }, in: configuration.images, on: world)
  }

  func run() throws -> Job.Summary? {
    try world.agree { if world.rank == 0 { try begin() } }
    let order = places.filter { journal?.records[job.units[$0].key] == nil }
    if configuration.isStrict { try refuseFaults(of: order) }
    let start = MonotonicClock.now
    do { try compute(order) } catch  where TransientFailure.exitCode(for: error) != 1 {
      progress?.finish()
      try journal?.flush()
      throw error
    }
    let seconds = MonotonicClock.now - start
    progress?.finish()
    try job.tellRemarks(on: world)
    if let shard = configuration.shard {
      return try world.agree { world.rank == 0 ? try keep(shard, seconds: seconds) : nil }
    }
    let work = try world.agree { world.rank == 0 ? try finishedWork(seconds: seconds) : nil }
    let summary = try job.finish(work, on: world)
    try journal?.remove()
    return summary
  }

  /// Where in `job.units` those of this run are, on rank 0: the most expensive first.
  private var places: [Int] {
    let all = costliestFirst(job.costs)
    return configuration.shard?.part(of: all) ?? all
  }

  // MARK: - Before

  /// Opens the journal, and reports what is already done.
  private func begin() throws {
    let journal = try openJournal()
    let total = places.reduce(0) { $0 + job.units[$1].sampleCount }
    let progress = ProgressReporter(
      total: total, begun: samples, ranks: world.worldSize, isQuiet: configuration.isQuiet)
    for note in journal.notes { progress.warn(note) }
    if configuration.isStrict, let first = skipped.min(by: { $0.id < $1.id }) {
      throw JobError(
        "\(Job.words.sample) \(first.id) could not be used in the run being resumed (--strict): \(first.reason.text)\n"
          + "Resume without --strict, or fix it and remove \(configuration.journal.path) to start over")
    }
    if samples > 0 { progress.note("resuming: \(samples) of \(total) samples are done") }
    (self.journal, self.progress, self.total) = (journal, progress, total)
    RunStanding.set(samples, of: total, "samples")
  }

  private func openJournal() throws -> Journal {
    let identity = job.identity.of(configuration.shard)
    guard configuration.resumes else {
      return try Journal.create(at: configuration.journal, identity: identity, lock: claim.lock)
    }
    return try Journal.resume(
      at: configuration.journal, identity: identity, lock: claim.lock, salvages: configuration.salvages,
      decode: { bytes in
        // Of a shard that ended just before its journal was renamed.
        if ShardManifest.isManifest(bytes) { return nil }
        let result = try job.decode(bytes)
        return (result.key, result)
      }, visit: { try collect($0, isResumed: true) })
  }

  /// Checks everything that a strict run would compute.
  ///
  /// - Parameter order: on rank 0 the places of the units.
  /// - Throws: on every rank, if anything can't be used; the error lists all of it.
  private func refuseFaults(of order: [Int]) throws {
    let places = try world.broadcast(world.rank == 0 ? order.map(Int64.init) : nil)
    let own = try world.agree {
      try pictures.working {
        try stride(from: world.rank, to: places.count, by: world.worldSize).flatMap {
          try job.faults(of: job.units[Int(places[$0])], in: pictures)
        }
      }
    }
    let encoded = try world.allgather(Array(try JSONEncoder().encode(own)))
    try world.agree {
      let all = try encoded.flatMap { try JSONDecoder().decode([SkippedSample].self, from: Data($0)) }
      try SkippedSample.refuse(all.sorted { $0.id < $1.id }, called: Job.words.sample)
    }
  }

  // MARK: - The work

  /// - Parameter order: on rank 0 the places of the units; elsewhere ignored.
  private func compute(_ order: [Int]) throws {
    let sharing = WorkSharing(world, order: order) { [self] _, _, bytes in
      let result = try job.decode(bytes)
      try journal?.append(bytes, key: result.key)
      try collect(result, isResumed: false)
      for sample in result.skipped { progress?.warn(sample.text(called: Job.words.sample)) }
      progress?.advance(by: result.sampleCount)
      RunStanding.set(samples, of: total, "samples")
    }
    // Of the run, not of the unit in whose computation it was thrown.
    var stop: (any Error)?
    func poll() throws {
      do { try sharing.poll() } catch {
        stop = error
        throw error
      }
    }
    while let place = try sharing.next() {
      let result: Job.UnitOutcome
      do {
        result = try pictures.working { try job.compute(job.units[place], in: pictures, poll: poll) }
      } catch { throw stop ?? error }
      if configuration.isStrict, let sample = result.skipped.first {
        throw JobError("\(Job.words.sample) \(sample.id) can't be used (--strict): \(sample.reason.text)")
      }
      try sharing.submit(result.encode(), for: place)
    }
    try sharing.finish()
  }

  private func collect(_ result: Job.UnitOutcome, isResumed: Bool) throws {
    samples += result.sampleCount
    skipped += result.skipped
    try job.collect(result, isResumed: isResumed)
  }

  // MARK: - After

  /// Makes the journal the shard's file.
  private func keep(_ shard: Shard, seconds: Double) throws -> Job.Summary? {
    guard let journal else { return nil }
    let manifest = ShardManifest(
      shard,
      plan: try ShardManifest.Plan(
        keys: job.units.map(\.key), samples: job.units.reduce(0) { $0 + $1.sampleCount }),
      units: journal.records.count, skips: SkipCounts(samples: samples, skipped: skipped.map(\.reason.kind)),
      lost: job.lost, seconds: seconds, content: try job.shardContent())
    try journal.keep(as: configuration.output, closing: manifest.encode())
    return try job.summary(of: FinishedShard(manifest, at: configuration.output, isNew: true))
  }

  /// - Throws: `JobError` if no sample could be used.
  private func finishedWork(seconds: Double) throws -> FinishedWork<Job.UnitOutcome>? {
    guard let journal else { return nil }
    try journal.flush()
    let all = (skipped + job.lost).sorted { $0.id < $1.id }
    guard samples > skipped.count else {
      // There is nothing in it to continue from, and it would block the next attempt.
      try journal.remove()
      throw Job.words.noResult(all)
    }
    return FinishedWork(journal, skipped: all, seconds: seconds, decode: job.decode)
  }
}
