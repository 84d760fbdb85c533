import Foundation
import Jobs
import MessagePassing
import RunSupport
import TestSupport
import Testing

@Suite("Unit job")
struct UnitJobTests {
  private static let keys = [7, 2, 9, 4, 11]
  private static let numbers = Dictionary(uniqueKeysWithValues: keys.map { ($0, "\($0 * $0)") })

  private func text(_ url: URL) throws -> String { String(decoding: try Data(contentsOf: url), as: UTF8.self) }

  /// A run that ends at its third unit, and left the journal of two.
  private func stopped(_ c: ToyConfiguration) throws {
    let job = ToyJob(c, units: Self.keys)
    job.stopsAt = 2
    #expect(throws: ToyJob.Stopped.self) { try job.run() }
    #expect(FileManager.default.fileExists(atPath: c.journal.path))
    #expect(!FileManager.default.fileExists(atPath: c.output.path))
  }

  @Test("every unit is computed once, the costliest first, and the output is in the units' order")
  func whole() throws {
    try ScratchFolder.with { scratch in
      let c = try ToyConfiguration(in: scratch, texts: Self.numbers)
      let job = ToyJob(c, units: Self.keys)
      let summary = try #require(try job.run())
      #expect(summary.isNew && summary.skips == SkipCounts(samples: 10, skipped: []))
      #expect(job.computed == [9, 4, 7, 2, 11] && job.resumed.isEmpty)
      #expect(try text(c.output) == "147 12 243 48 363")
      #expect(try scratch.names == ["images", "output.txt", "output.txt.run"])
    }
  }

  @Test("a killed run continues with the other units, with the same bytes")
  func killed() throws {
    try ScratchFolder.with { scratch in
      var c = try ToyConfiguration(in: scratch, texts: Self.numbers)
      try stopped(c)
      #expect(failure { try ToyJob(c, units: Self.keys).run() }?.contains("--resume") == true)
      c.resumes = true
      let job = ToyJob(c, units: Self.keys)
      #expect(try job.run()?.isNew == true)
      #expect(job.computed == [7, 2, 11] && job.resumed == [4, 9])
      #expect(try text(c.output) == "147 12 243 48 363")
      #expect(try scratch.names == ["images", "output.txt", "output.txt.run"])
    }
  }

  @Test("a job is prepared before its first unit, and not where its output is finished")
  func prepared() throws {
    try ScratchFolder.with { scratch in
      var c = try ToyConfiguration(in: scratch, texts: Self.numbers)
      let job = ToyJob(c, units: Self.keys)
      _ = try job.run()
      c.resumes = true
      let again = ToyJob(c, units: Self.keys)
      #expect(try again.run()?.isNew == false)
      #expect(job.preparations == 1 && again.preparations == 0)
    }
  }

  @Test("a journal cut anywhere gives the same bytes; only what it lost is computed again")
  func halfJournal() throws {
    try ScratchFolder.with { scratch in
      var c = try ToyConfiguration(in: scratch, texts: Self.numbers)
      try stopped(c)
      let journal = try Data(contentsOf: c.journal)
      c.resumes = true
      for cut in [0, 5, journal.count - 1, journal.count] {
        try journal.prefix(cut).write(to: c.journal)
        let job = ToyJob(c, units: Self.keys)
        _ = try job.run()
        let kept = cut == journal.count ? 2 : cut == journal.count - 1 ? 1 : 0
        #expect(job.resumed.count == kept && job.computed.count == 5 - kept, "cut at \(cut)")
        #expect(try text(c.output) == "147 12 243 48 363")
        try FileManager.default.removeItem(at: c.output)
      }
    }
  }

  @Test("a journal that is damaged in the middle needs --salvage")
  func damaged() throws {
    try ScratchFolder.with { scratch in
      var c = try ToyConfiguration(in: scratch, texts: Self.numbers)
      try stopped(c)
      var journal = try Data(contentsOf: c.journal)
      let word = try #require(journal.range(of: Data(":243".utf8)))
      journal[word.upperBound - 1] ^= 1
      try journal.write(to: c.journal)
      c.resumes = true
      #expect(failure { try ToyJob(c, units: Self.keys).run() }?.contains("--salvage") == true)
      c.salvages = true
      let job = ToyJob(c, units: Self.keys)
      _ = try job.run()
      #expect(job.resumed == [4] && job.computed.count == 4)
      #expect(try text(c.output) == "147 12 243 48 363")
    }
  }

  @Test("neither a journal nor a finished output of other inputs is taken for this run's; its own is")
  func otherInputs() throws {
    try ScratchFolder.with { scratch in
      var c = try ToyConfiguration(in: scratch, texts: Self.numbers)
      try stopped(c)
      c.resumes = true
      var other = c
      other.factor = 5
      for isFinished in [false, true] {
        let text = failure { try ToyJob(other, units: Self.keys).run() } ?? "accepted"
        #expect(text.contains("--factor was 3 and now is 5"), "\(text)")
        #expect(text.contains("is finished") == isFinished, "\(text)")
        let job = ToyJob(c, units: Self.keys)
        #expect(try job.run()?.isNew == !isFinished)
        #expect(job.computed.isEmpty == isFinished)
      }
    }
  }

  @Test("a strict run names everything that a look finds before it computes; later it stops at the first")
  func strict() throws {
    try ScratchFolder.with { scratch in
      var numbers = Self.numbers
      numbers[4] = "four"
      var c = try ToyConfiguration(in: scratch, texts: numbers)
      c.isStrict = true
      c.resumes = true
      let job = ToyJob(c, units: Self.keys)
      job.faults = [11: SkipReason(.picture, "is broken"), 2: SkipReason(.text, "is empty")]
      let all = failure { try job.run() } ?? "accepted"
      #expect(all.hasPrefix("2 samples can't be used (--strict):\n  sample 20: is empty\n  sample 110: is broken"))
      #expect(job.computed.isEmpty)
      let first = failure { try ToyJob(c, units: Self.keys).run() } ?? "accepted"
      #expect(first == "sample 41 can't be used (--strict): no number")
      // Nothing is recorded of it: once it is mended, the run goes on.
      try Data("16".utf8).write(to: c.images.appendingPathComponent("4.txt"))
      let mended = ToyJob(c, units: Self.keys)
      mended.faults = [9: SkipReason(.picture, "is done already, and not looked at again")]
      _ = try mended.run()
      #expect(mended.resumed == [9])
      #expect(try text(c.output) == "147 12 243 48 363")
    }
  }

  @Test("a strict run doesn't continue if samples were skipped")
  func strictAfterSkips() throws {
    try ScratchFolder.with { scratch in
      var numbers = Self.numbers
      numbers[9] = "nine"
      var c = try ToyConfiguration(in: scratch, texts: numbers)
      try stopped(c)
      c.resumes = true
      c.isStrict = true
      let text = failure { try ToyJob(c, units: Self.keys).run() } ?? "accepted"
      #expect(
        text.hasPrefix("sample 91 ") && ["--strict", "no number", "without"].allSatisfy { text.contains($0) })
    }
  }

  @Test("what is skipped is counted with the records that were lost, and is too much only above the share allowed")
  func skips() throws {
    try ScratchFolder.with { scratch in
      var numbers = Self.numbers
      numbers[9] = "nine"
      var c = try ToyConfiguration(in: scratch, texts: numbers)
      let job = ToyJob(c, units: Self.keys)
      job.lost = [SkippedSample(id: -1, reason: SkipReason(.record, "annotations[3]: is no object"))]
      let skips = try #require(try job.run()).skips
      #expect(skips == SkipCounts(samples: 11, skipped: [.mask, .record]))
      #expect(skips.exceed(0.18) && !skips.exceed(0.19))
      #expect(try text(c.output) == "147 12 none 48 363")
      c.resumes = true
      #expect(try ToyJob(c, units: Self.keys).run()?.skips == skips)
      c.allowedSkips = 2
      #expect(failure { try ToyJob(c, units: Self.keys).run() }?.contains("--allow-skips") == true)
    }
  }

  @Test("without a usable sample or without units there is no output, and nothing that blocks the next run")
  func nothing() throws {
    try ScratchFolder.with { scratch in
      let c = try ToyConfiguration(in: scratch, texts: [1: "one"])
      let none = failure { try ToyJob(c, units: []).run() } ?? "accepted"
      #expect(none == "\(c.dataset.path): has no number")
      let job = AllSkipped(c)
      let text = failure { try job.run() } ?? "accepted"
      #expect(text == "no number could be used; sample 1: is broken", "\(text)")
      #expect(try scratch.names == ["images"])
    }
  }
}

/// A job of one unit, of which nothing can be used.
private struct AllSkipped: UnitJob {
  struct Outcome: WorkResult {
    let key = 1
    let sampleCount = 2
    let skipped = [1, 2].map { SkippedSample(id: $0, reason: SkipReason(.picture, "is broken")) }
    func encode() throws -> [UInt8] { [] }
  }

  static let words = ToyJob.words
  let toy: ToyJob

  init(_ configuration: ToyConfiguration) { toy = ToyJob(configuration, units: [1]) }

  var identity: RunIdentity { toy.identity }
  var units: [ToyJob.Unit] { toy.units }
  var costs: [Double] { [1] }
  func compute(_ unit: ToyJob.Unit, in pictures: Pictures, poll: @escaping () throws -> Void) throws -> Outcome {
    Outcome()
  }
  func decode(_ bytes: [UInt8]) throws -> Outcome { Outcome() }
  func finish(_ work: FinishedWork<Outcome>?, on world: Communicator) throws -> ToyJob.Summary? { nil }
  func finishedSummary() throws -> ToyJob.Summary { try toy.finishedSummary() }

  func run() throws -> ToyJob.Summary? {
    try Communicator.withWorld(environment: [:]) { world throws in
      try run(toy.configuration, claim: ClaimedOutput(isFinished: false, lock: nil), on: world)
    }
  }
}
