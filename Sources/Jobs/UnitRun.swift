import Foundation
import IO
import MessagePassing
import RunSupport

/// One run of a unit job over all ranks: the journal, the work sharing, and the progress.
final class UnitRun<Job: UnitJob> {
  let job: Job
  let configuration: any UnitJobConfiguration
  let world: Communicator
  let pictures: Pictures
  private let claim: ClaimedOutput
  private let options: WorkOptions

  // Only on rank 0.
  private var journal: Journal?
  private var writer: JournalWriter?
  private var progress: ProgressReporter?
  private var samples = 0
  private var total = 0
  private var skipped: [SkippedSample] = []
  /// The host of each rank.
  private(set) var hosts: [String] = []

  /// Every rank makes one at the same time.
  ///
  /// - Throws: on every rank, if one of them has no such folder of images, or sees other files in it than rank 0.
  init(
    _ job: Job, _ configuration: any UnitJobConfiguration, claim: ClaimedOutput, _ options: WorkOptions,
    on world: Communicator
  ) throws {
    self.job = job
    self.configuration = configuration
    self.world = world
    self.claim = claim
    self.options = options
    let names: Set<String>? =
      world.rank == 0 ? job.units.reduce(into: []) { $0.formUnion($1.fileNames) } : nil
    pictures = try Pictures(names, in: configuration.images, on: world)
      .readAhead(job.imageProcessor)
  }

  func run() throws -> Job.Summary? {
    try world.agree { if world.rank == 0 { try begin() } }
    let order = order()
    if configuration.isStrict, Job.strictLooksAhead { try refuseFaults(of: order) }
    let start = MonotonicClock.now
    try compute(order)
    let seconds = MonotonicClock.now - start
    progress?.finish()
    try world.agree { try pictures.working { try job.watched.requireUnchanged(asksServer: true) } }
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
    if samples > 0 {
      progress.note("resuming: \(samples) of \(counted(total, "sample")) \(agreeing(with: samples, "is", "are")) done")
    }
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
      attend: world.attend,
      decode: { bytes in
        // Of a shard that ended just before its journal was renamed.
        if ShardManifest.isManifest(bytes) { return nil }
        let result = try job.decode(bytes)
        return (result.key, result)
      }, visit: { try collect($0, isResumed: true) })
  }

  /// On rank 0 the places of the units that are not in the journal, in the order to compute them; elsewhere none.
  private func order() -> [Int] {
    guard let journal else { return [] }
    return places.filter { journal.records[job.units[$0].key] == nil }
  }

  /// Checks everything that a strict run would compute.
  ///
  /// - Throws: on every rank, if anything can't be used; the error lists all of it.
  private func refuseFaults(of order: [Int]) throws {
    var found: [SkippedSample] = []
    let handlers = WorkHandlers(
      content: content,
      onResult: { report, _ in
        found += try Self.decode(report.bytes)
        return true
      }, onCheck: { _, _ in })
    let sharing = try WorkSharing(world, order: order, options: options, handlers)
    while let item = try sharing.next() {
      let faults = try pictures.working {
        try job.faults(of: Job.Unit(decoding: item.content), in: pictures)
      }
      try sharing.poll()
      try sharing.submit(Self.encode(faults), for: item)
    }
    try sharing.finish()
    try world.agree {
      try SkippedSample.refuse(found.sorted { $0.id < $1.id }, called: Job.words.sample)
    }
  }

  // MARK: - The work

  private func content(of place: Int) throws -> [UInt8] { try job.units[place].encode() }

  /// - Parameter order: of `order()`.
  private func compute(_ order: [Int]) throws {
    if let journal {
      let writer = JournalWriter(journal)
      RunStanding.set(saving: { writer.save(within: 0.2) })
      self.writer = writer
    }
    defer { RunStanding.set(saving: nil) }
    let handlers = WorkHandlers(content: content, onResult: take, onCheck: take(_:checkedBy:))
    do {
      var options = options
      options.unitsAtATime = job.unitsAtATime
      let sharing = try WorkSharing(world, order: order, options: options, handlers)
      hosts = sharing.hosts
      try compute(source(of: sharing))
      try sharing.finish()
    } catch {
      let isTransient = TransientFailure.exitCode(for: error) != 1
      if isTransient { progress?.finish() }
      // What is done shall not be lost. If that fails too, an error of this run says more; an interruption says that all is
      // kept.
      do {
        try writer?.drain()
        RunStanding.set(isSaved: true)
      } catch let second {
        RunStanding.set(isSaved: false)
        if isTransient { progress?.warn("\(second)") }
      }
      throw error
    }
    // An error of the disk must reach the others.
    try world.agree { try writer?.drain() }
  }

  private func compute(_ source: UnitSource<Job>) throws {
    do { try job.compute(source, in: pictures) } catch {
      // Those of work sharing are no errors of what was at work.
      if let failure = source.failure { throw failure }
      try pictures.working { try job.watched.during { throw error } }
    }
    precondition(source.isAtEnd && source.inHand == 0, "the job left units")
  }

  /// - Parameter sharing: of this rank's work.
  private func source(of sharing: WorkSharing) -> UnitSource<Job> {
    var items: [Int: WorkItem] = [:]
    return UnitSource(
      unitsAtATime: job.unitsAtATime,
      UnitSource.Supply(
        take: { [self] waits in
          guard let item = try waits ? sharing.next() : sharing.nextIfAny() else { return nil }
          let unit = try pictures.working { try Job.Unit(decoding: item.content) }
          if let first = item.first {
            return .check { [self] in
              try sharing.submit(check(unit, first: first, poll: { try sharing.poll() }), for: item)
            }
          }
          items[unit.key] = item
          return .unit(unit)
        },
        submit: { [self] result in
          let bytes = try encode(result)
          guard let item = items.removeValue(forKey: result.key) else { preconditionFailure("a unit of nobody") }
          try sharing.submit(bytes, for: item)
        }, poll: sharing.poll,
        prepare: { [self] unit in
          if unit.fileNames.count == 1, let name = unit.fileNames.first { pictures.prepare(name) }
        }))
  }

  /// A result of this rank, as it is handed in.
  private func encode(_ result: Job.UnitOutcome) throws -> [UInt8] {
    try pictures.working {
      try job.watched.requireUnchanged()
      if configuration.isStrict, let sample = result.skipped.first {
        throw JobError("\(Job.words.sample) \(sample.id) can't be used (--strict): \(sample.reason.text)")
      }
      try job.count(result)
      return try result.encode()
    }
  }

  /// Takes a unit's result on rank 0.
  ///
  /// - Returns: false if another rank is to check it.
  private func take(_ report: WorkReport, canBeChecked: Bool) throws -> Bool {
    let result = try job.decode(report.bytes)
    if canBeChecked, !result.skipped.isEmpty { return false }
    try record(result, report)
    return true
  }

  /// Takes a result that another rank has checked.
  private func take(_ first: WorkReport, checkedBy check: WorkReport) throws {
    let result = try job.decode(first.bytes)
    try requireSame(result, of: first, as: Self.decode(check.bytes), of: check)
    try record(result, first)
  }

  private func record(_ result: Job.UnitOutcome, _ report: WorkReport) throws {
    guard result.key == job.units[report.unit].key else {
      throw JobError(
        "\(name(of: report.rank)) handed in the result of image \(result.key) for image \(job.units[report.unit].key)")
    }
    try writer?.append(report.bytes, key: result.key, attend: world.attend)
    try collect(result, isResumed: false)
    let place = world.worldSize > 1 ? " (\(name(of: report.rank)))" : ""
    for sample in result.skipped { progress?.warn(sample.text(called: Job.words.sample) + place) }
    progress?.advance(by: result.sampleCount)
    RunStanding.set(samples, of: total, "samples")
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
    let all = (skipped + job.lost).sorted { $0.id < $1.id }
    guard samples > skipped.count else {
      // There is nothing in it to continue from, and it would block the next attempt.
      try journal.remove()
      throw Job.words.noResult(all)
    }
    return FinishedWork(journal, skipped: all, seconds: seconds, decode: job.decode)
  }
}
