import Foundation
import MessagePassing
import RunSupport
import VisionLanguage

/// One unit of a job's work: an image with all its samples. A unit is computed by one rank, so how the work
/// is divided never changes a number.
///
/// Rank 0 alone has all units. A rank gets a unit's bytes when it is to compute it.
public protocol WorkUnit {
  /// Unique within the job: the id of the image.
  var key: Int { get }
  /// How many samples it has, usable or not.
  var sampleCount: Int { get }
  /// The files of its pictures, below the folder of images.
  var fileNames: Set<String> { get }

  /// All that computing it needs.
  func encode() throws -> [UInt8]
  /// - Throws: if the bytes are no such unit.
  init(decoding bytes: [UInt8]) throws
}

/// The result of one unit, as it is sent to rank 0 and stored in the journal.
public protocol WorkResult {
  /// Its unit's.
  var key: Int { get }
  var sampleCount: Int { get }
  /// The samples that can't be used.
  var skipped: [SkippedSample] { get }

  func encode() throws -> [UInt8]
}

/// Results that are written as JSON.
extension WorkResult where Self: Codable {
  public func encode() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

  /// - Parameter name: of such a result in errors: "losses".
  /// - Throws: `JobError` if the bytes are not one.
  public init(json bytes: [UInt8], called name: String) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) } catch {
      throw JobError("a record does not hold \(name): \(error)")
    }
  }
}

/// The words of a unit job's messages for its samples and its work.
public struct UnitJobWords: Sendable {
  /// A sample: "annotation".
  let sample: String
  /// A dataset without units: "has no annotation to score".
  let noUnit: String
  /// A run of which every sample was skipped: "no sample could be used, so there is no Head Impact".
  let noResult: String

  public init(sample: String, noUnit: String, noResult: String) {
    (self.sample, self.noUnit, self.noResult) = (sample, noUnit, noResult)
  }

  /// The error of a run of which every sample was skipped; the first of them, as all were named when they were met.
  public func noResult(_ skipped: [SkippedSample]) -> JobError {
    JobError(noResult + (skipped.first.map { "; \(sample) \($0.id): \($0.reason.text)" } ?? ""))
  }
}

/// The summary of a finished unit job.
public protocol UnitJobSummary {
  var skips: SkipCounts { get }
}

/// A job whose work is a list of units, each computed by one rank: what differs between scoring, generating and
/// ablating.
///
/// `run` does the rest: it agrees on the identity, recognises a finished output, opens the journal, shares the units
/// out, keeps their results, counts what is skipped, and resumes.
public protocol UnitJob {
  associatedtype Unit: WorkUnit
  associatedtype UnitOutcome: WorkResult
  associatedtype Summary: UnitJobSummary

  static var words: UnitJobWords { get }
  /// Whether a strict run looks at all units (`faults`) before it computes any.
  static var strictLooksAhead: Bool { get }

  /// Everything that the results depend on: checked against the other ranks', the journal and a finished output.
  var identity: RunIdentity { get }
  /// What the results come from: compared before each result is handed in.
  var watched: WatchedFiles { get }
  /// Notes for the user before the run begins.
  var remarks: [String] { get }
  /// What the dataset's reader left out, one line each. This and what follows is there on rank 0 alone, which reads the
  /// dataset; elsewhere there is nothing.
  var warnings: [String] { get }
  /// All of it, for a strict run; nil if there is nothing.
  var refusal: String? { get }
  /// The records among it that were samples.
  var lost: [SkippedSample] { get }
  var units: [Unit] { get }
  /// The cost of each unit, in arbitrary units: the most expensive are handed out first.
  var costs: [Double] { get }

  /// What the job needs before the first unit. Every rank calls it at the same time; nobody where the output is already
  /// finished.
  mutating func prepare(on world: Communicator) throws

  /// The samples of a unit that can't be used, as far as can be found without the model: for a strict run, which names
  /// them all at once, and for a rank that checks what another couldn't use.
  func faults(of unit: Unit, in pictures: Pictures) throws -> [SkippedSample]

  /// What the model makes of a picture before it runs; nil where that is not made of the picture itself. Units' pictures are
  /// read, and given to it, while others are computed.
  var imageProcessor: (any ImageProcessor)? { get }

  /// How many units a rank computes at once at most; rank 0's counts.
  var unitsAtATime: Int { get }

  /// Computes all units that `source` gives, until it has no more, and submits their results. One after the other by
  /// default.
  ///
  /// A check of another rank's result is made by `compute(_:in:poll:)` from within the calls of `source`.
  ///
  /// - Throws: as `compute(_:in:poll:)`.
  func compute(_ source: UnitSource<Self>, in pictures: Pictures) throws

  /// Computes one unit, and keeps nothing of it.
  ///
  /// - Parameter poll: to be called often: it serves the other ranks.
  /// - Throws: errors of the environment, and those of `poll`; a sample that can't be used is a result too.
  func compute(_ unit: Unit, in pictures: Pictures, poll: @escaping () throws -> Void) throws -> UnitOutcome

  /// Adds a result to what this rank contributes at the end. Called on the rank that computed it, once for every result.
  func count(_ result: UnitOutcome) throws

  /// - Throws: `JobError` if the bytes are not a result of this job.
  func decode(_ bytes: [UInt8]) throws -> UnitOutcome

  /// Called once for every result, on rank 0, in any order.
  ///
  /// - Parameter isResumed: whether an earlier run computed it.
  func collect(_ result: UnitOutcome, isResumed: Bool) throws

  /// Reports what all ranks together noticed. Every rank calls it, once all units are done.
  func tellRemarks(on world: Communicator) throws

  /// Writes the output. Every rank calls it, once all units are done; the journal is removed when it returns.
  ///
  /// - Parameter work: on rank 0 the results; nil elsewhere.
  /// - Returns: on rank 0 the summary; nil elsewhere.
  func finish(_ work: FinishedWork<UnitOutcome>?, on world: Communicator) throws -> Summary?

  /// What finishing needs of the job, besides the results, when there are neither inputs nor model: kept in each shard.
  /// Called on rank 0.
  ///
  /// - Throws: `JobError` if the job can't be divided into shards.
  func shardContent() throws -> String

  /// The summary of a finished shard. Called on rank 0.
  func summary(of shard: FinishedShard) throws -> Summary

  /// The summary of an output that is already finished. Called on rank 0.
  ///
  /// - Throws: `JobError` if the output is of another run.
  func finishedSummary() throws -> Summary
}

extension UnitJob {
  public static var strictLooksAhead: Bool { true }
  public var imageProcessor: (any ImageProcessor)? { nil }
  public var unitsAtATime: Int { 1 }
  public var watched: WatchedFiles { WatchedFiles() }
  public var remarks: [String] { [] }
  public var warnings: [String] { [] }
  public var refusal: String? { nil }
  public var lost: [SkippedSample] { [] }
  public mutating func prepare(on world: Communicator) throws {}
  public func faults(of unit: Unit, in pictures: Pictures) throws -> [SkippedSample] { [] }

  public func compute(_ source: UnitSource<Self>, in pictures: Pictures) throws {
    while let unit = try source.next() {
      try source.submit(try compute(unit, in: pictures, poll: source.poll))
    }
  }

  public func count(_ result: UnitOutcome) throws {}
  public func collect(_ result: UnitOutcome, isResumed: Bool) throws {}
  public func tellRemarks(on world: Communicator) throws {}
  public func shardContent() throws -> String { throw JobError("--shard: only score can be divided") }
  public func summary(of shard: FinishedShard) throws -> Summary { throw JobError("only score can be divided") }

  /// Runs the job. Every rank calls it at the same time.
  ///
  /// - Parameters:
  ///   - claim: the result of `claimOutput`, which the caller releases.
  ///   - sharing: how the units are shared out.
  /// - Returns: on rank 0 the summary; nil elsewhere.
  /// - Throws: errors of the inputs or of the run.
  public func run(
    _ configuration: some UnitJobConfiguration, claim: ClaimedOutput, on world: Communicator,
    sharing options: WorkOptions = WorkOptions()
  ) throws -> Summary? {
    // The shard too: tasks of a launcher that were each given another one, are ranks of one world all the same.
    try world.agree(on: identity.of(configuration.shard))
    world.tell(remarks)
    let summary: Summary?
    if claim.isFinished {
      summary = try world.agree {
        guard world.rank == 0 else { return nil }
        return try configuration.shard.map {
          try self.summary(
            of: FinishedShard($0, in: configuration.output, isOf: identity, attend: world.attend))
        } ?? finishedSummary()
      }
    } else {
      try world.tell(warnings, of: configuration.dataset, refusal: refusal, isStrict: configuration.isStrict)
      try world.agree {
        if world.rank == 0, units.isEmpty { throw JobError("\(configuration.dataset.path): \(Self.words.noUnit)") }
      }
      var job = self
      try job.prepare(on: world)
      summary = try withRoomHint { try UnitRun(job, configuration, claim: claim, options, on: world).run() }
    }
    // Whether too many were skipped is judged over all shards together.
    let allowed = configuration.shard == nil ? configuration.allowedSkips : 1
    if let summary { Remarks.tell(summary.skips, allowed: allowed) }
    return summary
  }
}

/// The results of all units of a run, on rank 0. They are in the journal: only one is in memory at a time.
public struct FinishedWork<UnitOutcome: WorkResult> {
  /// Everything that was skipped, including records that the reader left out; ascending by id.
  public let skipped: [SkippedSample]
  /// The time that this run computed, in seconds.
  public let seconds: Double
  private let journal: Journal
  private let decode: ([UInt8]) throws -> UnitOutcome

  init(
    _ journal: Journal, skipped: [SkippedSample], seconds: Double, decode: @escaping ([UInt8]) throws -> UnitOutcome
  ) {
    (self.journal, self.skipped, self.seconds, self.decode) = (journal, skipped, seconds, decode)
  }

  /// Makes sure that the output is still this run's: to be called just before it gets its name.
  ///
  /// - Throws: `LockLost`; `JobError` if the journal is no longer there.
  public func requireOutput() throws { try journal.check() }

  /// - Throws: `JobError` if the journal can't be read.
  public func result(of key: Int) throws -> UnitOutcome { try decode(journal.record(of: key)) }
}

/// The indices of units in the order in which they are handed out: the most expensive first, so that the last to finish
/// is a short one; equal ones in their own order.
public func costliestFirst(_ costs: [Double]) -> [Int] {
  costs.indices.sorted { (costs[$0], $1) > (costs[$1], $0) }
}
