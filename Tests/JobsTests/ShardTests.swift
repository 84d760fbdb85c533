import Foundation
import RunSupport
import TestSupport
import Testing

@testable import Jobs

@Suite("Shards")
struct ShardTests {
  private static let keys = [7, 2, 9, 4, 11]
  private static let lost = [SkippedSample(id: 5, reason: SkipReason(.record, "lost"))]

  @Test(
    "a shard is i/n, and nothing else", arguments: ["0/3", "4/3", "x", "", "3", "1/0", "-1/3", "1/2/3", "1/200000"])
  func refused(text: String) {
    #expect(throws: JobError.self) { try Shard(text) }
  }

  @Test("a shard's name and file say which it is")
  func names() throws {
    let shard = try Shard("3/16")
    #expect((shard.number, shard.count) == (3, 16))
    #expect(shard.description == "3/16")
    #expect(shard.url(of: URL(fileURLWithPath: "/a/hi.h5")).path == "/a/hi.h5.shard-3-of-16")
  }

  @Test("each entry is in one shard, and parts of a sorted list cost about the same", arguments: [1, 2, 3, 5, 100])
  func parts(count: Int) throws {
    let costs = (0..<1000).map { 1000 / Double($0 + 20) }
    let parts = try (1...count).map { try Shard("\($0)/\(count)").part(of: costs) }
    #expect(parts.flatMap { $0 }.sorted(by: >) == costs)
    let sums = parts.map { $0.reduce(0, +) }
    #expect((sums.max() ?? 0) - (sums.min() ?? 0) <= costs[0])
    #expect(parts.allSatisfy { $0 == $0.sorted(by: >) })
  }

  // MARK: - Runs

  /// Runs the shards of a job beside one another; the unit that isn't a number has a skipped sample.
  private func make(_ count: Int, in scratch: ScratchFolder, factor: Int = 3) throws -> ToyConfiguration {
    var c = try configuration(in: scratch)
    c.factor = factor
    for number in 1...count {
      c.shard = try Shard("\(number)/\(count)")
      let job = ToyJob(c, units: Self.keys)
      job.lost = Self.lost
      let summary = try job.run()
      #expect(summary?.isNew == true)
      #expect(summary?.skips.samples == 2 * job.computed.count)
    }
    c.shard = nil
    return c
  }

  private func configuration(in scratch: ScratchFolder) throws -> ToyConfiguration {
    var texts = Dictionary(uniqueKeysWithValues: Self.keys.map { ($0, "\($0 * $0)") })
    texts[9] = "none"
    return try ToyConfiguration(in: scratch, texts: texts)
  }

  private func gather(
    _ c: ToyConfiguration, _ urls: [URL]? = nil
  ) throws -> (values: [Int: Int?], set: ShardSet<ToyJob.Outcome>) {
    var values: [Int: Int?] = [:]
    let set = try ShardSet(
      try urls ?? Shard.files(of: c.output), of: c.output,
      decode: { try ToyJob.Outcome(json: $0, called: "a number") },
      visit: { values.updateValue($0.value, forKey: $0.key) })
    return (values, set)
  }

  @Test("shards hold all units once, and what the whole run skipped", arguments: [1, 2, 3, 5, 7])
  func whole(count: Int) throws {
    try ScratchFolder.with { scratch in
      let c = try make(count, in: scratch)
      #expect(!FileManager.default.fileExists(atPath: c.output.path))
      #expect(try scratch.names.count == count + 1, "the images, and a file a shard")
      let (values, set) = try gather(c)
      #expect(values == [7: 147, 2: 12, 9: nil, 4: 48, 11: 363] as [Int: Int?])
      #expect(set.skipped.map(\.id) == [5, 91])
      for (key, value) in values { #expect(try set.result(of: key).value == value) }
      #expect(set.files.map(\.manifest.shard.number) == Array(1...count))
      #expect(set.files[0].manifest.content == "numbers")
    }
  }

  @Test("an interrupted shard is resumed; a finished one says so")
  func resumed() throws {
    try ScratchFolder.with { scratch in
      var c = try configuration(in: scratch)
      c.shard = try Shard("1/2")
      let stopped = ToyJob(c, units: Self.keys)
      stopped.stopsAt = 1
      #expect(throws: ToyJob.Stopped.self) { try stopped.run() }
      c.resumes = true
      let job = ToyJob(c, units: Self.keys)
      #expect(try job.run()?.isNew == true)
      #expect(job.resumed == Set(stopped.computed))
      let again = ToyJob(c, units: Self.keys)
      let summary = try again.run()
      #expect(summary?.isNew == false)
      #expect(summary?.skips.samples == 2 * (job.computed.count + 1))
      #expect(again.computed.isEmpty)
      c.factor = 4
      #expect(throws: (any Error).self) { try ToyJob(c, units: Self.keys).run() }
    }
  }

  @Test("a shard that ended just before its journal was renamed is finished by the next run")
  func killedAtTheEnd() throws {
    try ScratchFolder.with { scratch in
      var c = try make(2, in: scratch)
      c.shard = try Shard("2/2")
      try FileManager.default.moveItem(at: c.output, to: c.journal)
      c.resumes = true
      let job = ToyJob(c, units: Self.keys)
      job.lost = Self.lost
      #expect(try job.run()?.isNew == true)
      #expect(job.computed.isEmpty)
      c.shard = nil
      #expect(try gather(c).values.count == 5)
    }
  }

  // MARK: - What gather refuses

  private func refusal(_ c: ToyConfiguration, _ urls: [URL]? = nil) -> String {
    do {
      _ = try gather(c, urls)
      return "nothing"
    } catch { return "\(error)" }
  }

  @Test("missing shards are named")
  func missing() throws {
    try ScratchFolder.with { scratch in
      let c = try make(3, in: scratch)
      try FileManager.default.removeItem(at: scratch.file("output.txt.shard-2-of-3"))
      #expect(refusal(c).contains("of 3 shards number 2 is missing (output.txt.shard-2-of-3)"), "\(refusal(c))")
      try FileManager.default.removeItem(at: scratch.file("output.txt.shard-1-of-3"))
      #expect(refusal(c).contains("numbers 1, 2 are missing"), "\(refusal(c))")
      try FileManager.default.removeItem(at: scratch.file("output.txt.shard-3-of-3"))
      #expect(refusal(c).contains("no finished shard"), "\(refusal(c))")
    }
  }

  @Test(
    "a file that names no possible shard is refused",
    arguments: [(5, 0), (0, 3), (4, 3), (1, Int.max), (-1, -1)])
  func impossible(number: Int, count: Int) {
    let json = Data(#"{"number": \#(number), "count": \#(count)}"#.utf8)
    #expect(throws: JobError.self) { try JSONDecoder().decode(Shard.self, from: json) }
  }

  @Test("a shard named twice, or a copy of one, is refused")
  func twice() throws {
    try ScratchFolder.with { scratch in
      let c = try make(2, in: scratch)
      let files = try Shard.files(of: c.output)
      let copy = scratch.file("copy")
      try FileManager.default.copyItem(at: files[0], to: copy)
      let message = refusal(c, files + [copy])
      #expect(message.contains("is shard 1/2, and so is"), "\(message)")
      #expect(message.contains(copy.path) && message.contains(files[0].path), "\(message)")
    }
  }

  @Test("shards of another run, and of another division, are refused, naming what differs")
  func foreign() throws {
    try ScratchFolder.with { scratch in
      let c = try make(2, in: scratch)
      try ScratchFolder.with { other in
        let foreign = try make(2, in: other, factor: 4)
        let file = other.file("output.txt.shard-2-of-2")
        let message = refusal(c, [scratch.file("output.txt.shard-1-of-2"), file])
        #expect(message.contains("\(file.path): is of another run"), "\(message)")
        #expect(message.contains("--factor is 4, and 3 there"), "\(message)")
        #expect(try gather(foreign).values.count == 5)
      }
      _ = try make(3, in: scratch)
      #expect(refusal(c).contains("shards of 2 and of 3"), "\(refusal(c))")
      let mixed = ["1-of-2", "2-of-3"].map { scratch.file("output.txt.shard-\($0)") }
      #expect(refusal(c, mixed).contains("is shard 2/3, and"), "\(refusal(c, mixed))")
    }
  }

  @Test("shards of other lists of units are refused")
  func otherUnits() throws {
    try ScratchFolder.with { scratch in
      var c = try configuration(in: scratch)
      for (number, keys) in [(1, Self.keys), (2, [2, 4, 7, 9])] {
        c.shard = try Shard("\(number)/2")
        _ = try ToyJob(c, units: keys).run()
      }
      c.shard = nil
      #expect(refusal(c).contains("another list of units"), "\(refusal(c))")
    }
  }

  @Test("files that are no finished shard, or damaged, are refused by name")
  func damaged() throws {
    try ScratchFolder.with { scratch in
      let c = try make(2, in: scratch)
      let file = scratch.file("output.txt.shard-2-of-2")
      let bytes = try Data(contentsOf: file)
      for (cut, words) in [
        (0, "is no shard"), (5, "is no shard"), (20, "is no shard"), (bytes.count - 1, "is damaged from byte"),
      ] {
        try bytes.prefix(cut).write(to: file)
        #expect(refusal(c).contains("\(file.path): \(words)"), "\(refusal(c))")
      }
      var changed = bytes
      changed[bytes.count / 2] ^= 1
      try changed.write(to: file)
      #expect(refusal(c).contains("\(file.path): is damaged"), "\(refusal(c))")
      try Data("precious".utf8).write(to: file)
      #expect(refusal(c).contains("\(file.path): is no shard"), "\(refusal(c))")
      try FileManager.default.removeItem(at: file)

      var stopped = c
      stopped.shard = try Shard("2/2")
      let job = ToyJob(stopped, units: Self.keys)
      job.stopsAt = 1
      #expect(throws: ToyJob.Stopped.self) { try job.run() }
      let message = refusal(c, [scratch.file("output.txt.shard-1-of-2"), stopped.journal])
      #expect(message.contains("\(stopped.journal.path): is no finished shard"), "\(message)")
    }
  }
}
