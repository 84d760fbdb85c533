import Foundation
import IO
import Jobs
import Kernels
import MessagePassing
import RunSupport
import VisionLanguage

/// Runs a unit job without a model. Arguments: its folder, after how many units a rank other than 0 fails (-1: it doesn't),
/// "strict" for a strict run, a `Disturbance`, "several NUMBER" for ranks that compute so many at once, or "blind RANK KIND" for a rank, alone on its pretended host, that can't use every third
/// number: KIND says whether a look finds out ("look") or only computing does ("compute").
func unitJobCase(_ arguments: [String]) throws {
  let configuration = SquaresConfiguration(
    folder: URL(fileURLWithPath: arguments[0]), isStrict: arguments.count > 2 && arguments[2] == "strict")
  let disturbance = arguments.count > 2 ? Disturbance(arguments[2], folder: configuration.folder) : nil
  try Communicator.withStoppableWorld { world in
    disturbance?.first = try world.broadcast(world.rank == 0 ? [Int64(getpid())] : nil).first.map { pid_t($0) }
    let claim = try world.claimOutput(configuration)
    defer { claim.release() }
    let job = Squares(configuration, failsAfter: world.rank == 0 ? -1 : Int(arguments[1]) ?? -1)
    job.beforeUnit = disturbance.map { disturbance in { try disturbance.act(on: world.rank, computed: $0) } }
    if arguments.count > 3, arguments[2] == "several" { job.unitsAtATime = Int(arguments[3]) ?? 1 }
    var options = WorkOptions()
    if arguments.count > 4, arguments[2] == "blind" {
      let isBlind = arguments[3] == "\(world.rank)"
      options.host = isBlind ? "blind" : "sound"
      if isBlind { job.blindness = arguments[4] }
    }
    if let summary = try job.run(configuration, claim: claim, on: world, sharing: options) {
      print(summary.isNew ? "made" : "was finished already")
    }
  }
}

private struct SquaresConfiguration: UnitJobConfiguration {
  let folder: URL
  var isStrict: Bool
  var precision = Precision.f32
  var threads: Int?
  var overwrites = false
  var outputKind: OutputKind { .file }
  var resumes = true
  var salvages = false
  var allowedSkips = 1.0
  var isQuiet = true

  var model: URL { folder }
  var adapter: URL? { nil }
  var input: InputOptions { InputOptions() }
  var dataset: URL { folder }
  var images: URL { folder.appendingPathComponent("images") }
  var output: URL { folder.appendingPathComponent("squares.txt") }
  var limit: Int? { nil }
  func validate() throws { try validateShared() }
}

/// The squares of 60 numbers, one of them a unit, and their sum over all ranks. There is none of every seventh.
private final class Squares: UnitJob {
  struct Unit: WorkUnit {
    let key: Int
    var sampleCount: Int { 1 }
    var fileNames: Set<String> { [] }
    var isUsable: Bool { key % 7 != 0 }

    init(key: Int) { self.key = key }
    func encode() -> [UInt8] { Array("\(key)".utf8) }
    init(decoding bytes: [UInt8]) throws {
      guard let key = Int(String(decoding: bytes, as: UTF8.self)) else { throw CaseFailure("\(bytes) is no unit") }
      self.key = key
    }
  }

  struct Outcome: WorkResult, Codable {
    let key: Int
    let square: Int
    var sampleCount: Int { 1 }
    var skipped: [SkippedSample] { square == 0 ? [Squares.skip(key)] : [] }
  }

  struct Summary: UnitJobSummary {
    let skips: SkipCounts
    let isNew: Bool
  }

  static let words = UnitJobWords(sample: "number", noUnit: "has no number", noResult: "there is no square")

  let identity = RunIdentity([("what", "squares")])
  let units = (1...60).map { Unit(key: $0) }
  let costs = [Double](repeating: 1, count: 60)
  private let configuration: SquaresConfiguration
  private let failsAfter: Int
  private var computed = 0
  var unitsAtATime = 1
  /// How this rank finds that it can't use every third number; nil if it can.
  var blindness: String?
  /// Called with the number of units that this rank has computed.
  var beforeUnit: ((Int) throws -> Void)?
  private var sum: Int64 = 0

  init(_ configuration: SquaresConfiguration, failsAfter: Int) {
    self.configuration = configuration
    self.failsAfter = failsAfter
  }

  private static func skip(_ key: Int) -> SkippedSample {
    SkippedSample(id: Int64(key), reason: SkipReason(.text, "is a multiple of 7"))
  }

  func faults(of unit: Unit, in pictures: Pictures) throws -> [SkippedSample] {
    unit.isUsable && !(blindness == "look" && unit.key % 3 == 0) ? [] : [Self.skip(unit.key)]
  }

  /// The last that came first.
  func compute(_ source: UnitSource<Squares>, in pictures: Pictures) throws {
    var inHand: [Unit] = []
    var most = 0
    while true {
      while let unit = try source.next() { inHand.append(unit) }
      try expect(inHand.count, source.inHand, "units in hand")
      most = max(most, inHand.count)
      guard let unit = inHand.popLast() else { break }
      try source.submit(try compute(unit, in: pictures, poll: source.poll))
    }
    guard most <= unitsAtATime else { throw CaseFailure("\(most) units in hand") }
  }

  func compute(_ unit: Unit, in pictures: Pictures, poll: @escaping () throws -> Void) throws -> Outcome {
    try beforeUnit?(computed)
    if computed == failsAfter { throw CaseFailure("the node goes down") }
    computed += 1
    for _ in 0..<4 {
      usleep(500)
      try poll()
    }
    let isUsable = unit.isUsable && !(blindness != nil && unit.key % 3 == 0)
    return Outcome(key: unit.key, square: isUsable ? unit.key * unit.key : 0)
  }

  func count(_ result: Outcome) { sum += Int64(result.square) }

  func decode(_ bytes: [UInt8]) throws -> Outcome { try Outcome(json: bytes, called: "a square") }

  func collect(_ result: Outcome, isResumed: Bool) { if isResumed { sum += Int64(result.square) } }

  func finish(_ work: FinishedWork<Outcome>?, on world: Communicator) throws -> Summary? {
    let total = try world.reduce([sum], .sum, to: 0)
    return try world.agree {
      guard let work, let total else { return nil }
      let lines = try units.map { "\(try work.result(of: $0.key).square)\n" } + ["sum \(total[0])\n"]
      try AtomicFile.write(Array(lines.joined().utf8), to: configuration.output)
      return Summary(skips: SkipCounts(samples: 60, skipped: work.skipped.map(\.reason.kind)), isNew: true)
    }
  }

  func finishedSummary() throws -> Summary { Summary(skips: SkipCounts(samples: 60, skipped: []), isNew: false) }
}
