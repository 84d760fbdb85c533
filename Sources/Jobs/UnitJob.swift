import Foundation
import MessagePassing
import RunSupport

/// One unit of a job's work: a picture with all that is asked about it. A unit is computed by one rank, so how the work
/// is divided never changes a number.
public protocol WorkUnit {
  /// Of no other unit of the job: the id of the image.
  var key: Int { get }
  /// How many samples it has, usable or not.
  var sampleCount: Int { get }
  /// The files of its pictures, below the folder of images.
  var fileNames: Set<String> { get }
}

/// What became of one unit, as it travels to rank 0 and lies in the journal.
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

  /// - Parameter name: what errors call such a result: "losses".
  /// - Throws: `JobError` if the bytes are none.
  public init(json bytes: [UInt8], called name: String) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) } catch {
      throw JobError("a record does not hold \(name): \(error)")
    }
  }
}

/// What a unit job's messages call its samples and its work.
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
}

/// What a finished unit job tells.
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
  associatedtype Result: WorkResult
  associatedtype Summary: UnitJobSummary

  static var words: UnitJobWords { get }

  /// Everything that the results depend on: checked against the other ranks', the journal and a finished output.
  var identity: RunIdentity { get }
  /// What the user should know before the run begins.
  var remarks: [String] { get }
  /// What the dataset's reader left out, one line each.
  var warnings: [String] { get }
  /// All of it, for a strict run; nil if there is nothing.
  var refusal: String? { get }
  /// The records among it that were samples.
  var lost: [SkippedSample] { get }
  var units: [Unit] { get }
  /// What each unit costs, in any unit of measure: the costliest are handed out first.
  var costs: [Double] { get }

  /// What of a unit can't be used, found without the model. A strict run asks for that of all units before it computes
  /// any, and names everything at once.
  func faults(of unit: Unit, in pictures: Pictures) throws -> [SkippedSample]

  /// Computes one unit.
  ///
  /// - Parameter poll: to be called often: it serves the other ranks.
  /// - Throws: what is not a sample's own fault, and what `poll` throws; a sample that can't be used is a result too.
  func compute(_ unit: Unit, in pictures: Pictures, poll: @escaping () throws -> Void) throws -> Result

  /// - Throws: `JobError` if the bytes are no result of this job.
  func decode(_ bytes: [UInt8]) throws -> Result

  /// Shown on rank 0 every result once, in any order.
  ///
  /// - Parameter isResumed: whether an earlier run computed it.
  func collect(_ result: Result, isResumed: Bool) throws

  /// Writes the output. Every rank calls it, once all units are done; the journal goes when it returns.
  ///
  /// - Parameter work: on rank 0 what was done; nil elsewhere.
  /// - Returns: on rank 0 what to tell; nil elsewhere.
  func finish(_ work: FinishedWork<Result>?, on world: Communicator) throws -> Summary?

  /// What an output says that is already finished. Called on rank 0.
  ///
  /// - Throws: `JobError` if the output is of another run.
  func finishedSummary() throws -> Summary
}

extension UnitJob {
  public var remarks: [String] { [] }
  public var warnings: [String] { [] }
  public var refusal: String? { nil }
  public var lost: [SkippedSample] { [] }
  public func faults(of unit: Unit, in pictures: Pictures) throws -> [SkippedSample] { [] }
  public func collect(_ result: Result, isResumed: Bool) throws {}

  /// Runs the job. Every rank calls it at the same time, with the same units.
  ///
  /// - Parameter isFinished: what `agreeIsFinished` said.
  /// - Returns: on rank 0 what was done; nil elsewhere.
  /// - Throws: what is wrong with the inputs or went wrong on the way.
  public func run(
    _ configuration: some UnitJobConfiguration, isFinished: Bool, on world: Communicator
  ) throws -> Summary? {
    try world.agree(on: identity)
    world.tell(remarks)
    let summary: Summary?
    if isFinished {
      summary = try world.agree { world.rank == 0 ? try finishedSummary() : nil }
    } else {
      try world.tell(warnings, of: configuration.dataset, refusal: refusal, isStrict: configuration.isStrict)
      guard !units.isEmpty else { throw JobError("\(configuration.dataset.path): \(Self.words.noUnit)") }
      summary = try UnitRun(self, configuration, on: world).run()
    }
    if let summary { Remarks.tell(summary.skips, allowed: configuration.allowedSkips) }
    return summary
  }
}

/// The results of all units of a run, on rank 0. They lie in the journal: no more than one is in memory at a time.
public struct FinishedWork<Result: WorkResult> {
  /// Everything that was skipped, records that the reader left out among it; ascending by id.
  public let skipped: [SkippedSample]
  /// The time that this run computed, in seconds.
  public let seconds: Double
  private let journal: Journal
  private let decode: ([UInt8]) throws -> Result

  init(
    _ journal: Journal, skipped: [SkippedSample], seconds: Double, decode: @escaping ([UInt8]) throws -> Result
  ) {
    (self.journal, self.skipped, self.seconds, self.decode) = (journal, skipped, seconds, decode)
  }

  /// - Throws: `JobError` if the journal can't be read.
  public func result(of key: Int) throws -> Result { try decode(journal.record(of: key)) }
}

/// The places of units in the order to hand them out in: the costliest first, so that the last to finish is a short
/// one; of equal ones that which stands first.
public func costliestFirst(_ costs: [Double]) -> [Int] {
  costs.indices.sorted { (costs[$0], $1) > (costs[$1], $0) }
}
