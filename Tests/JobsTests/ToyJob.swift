import Foundation
import IO
import Jobs
import Kernels
import MessagePassing
import RunSupport
import TestSupport
import VisionLanguage

/// A unit job without a model: each unit is a file of the images folder, its result the number that the file holds.
final class ToyJob: UnitJob {
  struct Unit: WorkUnit {
    let key: Int
    var sampleCount: Int { 2 }
    var fileName: String { "\(key).txt" }
    var fileNames: Set<String> { [fileName] }

    init(key: Int) { self.key = key }
    func encode() -> [UInt8] { Array("\(key)".utf8) }
    init(decoding bytes: [UInt8]) throws {
      guard let key = Int(String(decoding: bytes, as: UTF8.self)) else { throw JobError("\(bytes) is no unit") }
      self.key = key
    }
  }

  struct Outcome: WorkResult, Codable {
    let key: Int
    /// nil where the unit's second sample can't be used.
    let value: Int?
    var sampleCount: Int { 2 }
    var skipped: [SkippedSample] {
      value == nil ? [SkippedSample(id: Int64(10 * key + 1), reason: SkipReason(.mask, "no number"))] : []
    }
  }

  struct Summary: UnitJobSummary {
    let skips: SkipCounts
    let isNew: Bool
  }

  struct Stopped: Error {}

  static let words = UnitJobWords(sample: "sample", noUnit: "has no number", noResult: "no number could be used")

  let configuration: ToyConfiguration
  var units: [Unit]
  var costs: [Double] { units.map { Double($0.key % 5) } }
  var lost: [SkippedSample] = []
  /// What a look at a unit finds.
  var faults: [Int: SkipReason] = [:]
  /// The run ends when it comes to its n-th unit, as if it were killed.
  var stopsAt: Int?
  private(set) var computed: [Int] = []
  private(set) var preparations = 0
  private(set) var resumed: Set<Int> = []

  init(_ configuration: ToyConfiguration, units: [Int]) {
    self.configuration = configuration
    self.units = units.map { Unit(key: $0) }
  }

  var identity: RunIdentity { RunIdentity([("model", "toy"), ("--factor", "\(configuration.factor)")]) }

  func prepare(on world: Communicator) { preparations += 1 }

  func faults(of unit: Unit, in pictures: Pictures) throws -> [SkippedSample] {
    faults[unit.key].map { [SkippedSample(id: Int64(10 * unit.key), reason: $0)] } ?? []
  }

  func compute(_ unit: Unit, in pictures: Pictures, poll: @escaping () throws -> Void) throws -> Outcome {
    if computed.count == stopsAt { throw Stopped() }
    computed.append(unit.key)
    try poll()
    let bytes = try JobInputs.read(pictures.folder.appendingPathComponent(unit.fileName))
    return Outcome(key: unit.key, value: Int(String(decoding: bytes, as: UTF8.self)).map { $0 * configuration.factor })
  }

  func decode(_ bytes: [UInt8]) throws -> Outcome { try Outcome(json: bytes, called: "a number") }

  func collect(_ result: Outcome, isResumed: Bool) throws { if isResumed { resumed.insert(result.key) } }

  func finish(_ work: FinishedWork<Outcome>?, on world: Communicator) throws -> Summary? {
    guard let work else { return nil }
    let values = try units.map { try work.result(of: $0.key).value.map(String.init) ?? "none" }
    let bytes = Array(values.joined(separator: " ").utf8)
    let skips = SkipCounts(
      samples: 2 * units.count + lost.count, skipped: work.skipped.map(\.reason.kind))
    try RunFile(identity, output: bytes, skips: skips).write(beside: configuration.output)
    try AtomicFile.write(bytes, to: configuration.output)
    return Summary(skips: skips, isNew: true)
  }

  func shardContent() -> String { "numbers" }

  func summary(of shard: FinishedShard) -> Summary { Summary(skips: shard.skips, isNew: shard.isNew) }

  func finishedSummary() throws -> Summary {
    Summary(skips: try RunFile.check(configuration.output, isOf: identity), isNew: false)
  }

  /// Runs the job as one rank, in this process.
  func run() throws -> Summary? {
    try Communicator.withWorld(environment: [:]) { world throws in
      let claim = try world.claimOutput(configuration)
      defer { claim.release() }
      return try run(configuration, claim: claim, on: world)
    }
  }
}

struct ToyConfiguration: UnitJobConfiguration {
  let scratch: URL
  var factor = 3
  var overwrites = false
  var outputKind: OutputKind { .file }
  var resumes = false
  var salvages = false
  var isStrict = false
  var allowedSkips = SkipCounts.defaultAllowed
  var threads: Int?
  var precision = Precision.f32
  var isQuiet = true
  var shard: Shard?

  /// - Parameter texts: of the files of the images folder, by unit.
  init(in scratch: ScratchFolder, texts: [Int: String]) throws {
    self.scratch = scratch.url
    try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
    for (key, text) in texts { try Data(text.utf8).write(to: images.appendingPathComponent("\(key).txt")) }
  }

  var model: URL { scratch.appendingPathComponent("model") }
  var adapter: URL? { nil }
  var input: InputOptions { InputOptions() }
  var dataset: URL { scratch.appendingPathComponent("numbers.json") }
  var images: URL { scratch.appendingPathComponent("images") }
  var whole: URL { scratch.appendingPathComponent("output.txt") }
  var output: URL { shard?.url(of: whole) ?? whole }
  var limit: Int? { nil }
  func validate() throws { try validateShared() }
}
