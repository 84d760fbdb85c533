import Foundation
import TestSupport
import Testing

@testable import Jobs

@Suite("Journal")
struct JournalTests {
  /// A record of a unit: its key first.
  private func record(_ key: UInt8, _ count: Int = 300) -> [UInt8] { [key] + (0..<count).map { UInt8($0 % 251) } }

  private func identity(model: String = "aa", limit: String = "none") -> RunIdentity {
    RunIdentity([("model (SHA-256)", model), ("--limit", limit)])
  }

  /// A closed journal of three units.
  private func write(_ url: URL) throws -> [[UInt8]] {
    let results = [record(5), record(3), record(4)]
    let journal = try Journal.create(at: url, identity: identity())
    for result in results { try journal.append(result, key: Int(result[0])) }
    return results
  }

  private func resume(_ url: URL, _ other: RunIdentity? = nil) throws -> [[UInt8]] {
    var seen: [[UInt8]] = []
    _ = try Journal.resume(at: url, identity: other ?? identity()) {
      seen.append($0)
      return Int($0[0])
    }
    return seen
  }

  @Test("what was appended is there again, in order and by image, and more can follow")
  func roundTrip() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let more = record(9, 0)
      do {
        let journal = try Journal.resume(at: url, identity: identity()) { Int($0[0]) }
        #expect(journal.records.keys.sorted() == [3, 4, 5])
        try journal.append(more, key: 9)
        #expect(try journal.record(of: 3) == results[1])
        #expect(try journal.record(of: 9) == more)
        #expect(throws: JobError.self) { try journal.record(of: 6) }
      }
      #expect(try resume(url) == results + [more])
    }
  }

  @Test("cut at any byte, it yields the records before the cut or is refused, and can go on")
  func cut() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let bytes = try Data(contentsOf: url)
      let records = results.map { 24 + $0.count }
      let ends = records.indices.map { bytes.count - records[($0 + 1)...].reduce(0, +) }
      let head = bytes.count - records.reduce(0, +)
      for count in 0..<bytes.count {
        try bytes.prefix(count).write(to: url)
        guard count >= head else {
          #expect(throws: JobError.self, "\(count) bytes") { try resume(url) }
          continue
        }
        let whole = ends.count { $0 <= count }
        #expect(try resume(url) == Array(results.prefix(whole)), "\(count) bytes")
        // The half record is gone, so that what follows can be read.
        #expect(try Data(contentsOf: url).count == (whole == 0 ? head : ends[whole - 1]))
      }
    }
  }

  @Test("a byte that was changed hides its record and what follows, or makes it no journal")
  func changed() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let bytes = try Data(contentsOf: url)
      for at in bytes.indices {
        var other = bytes
        other[at] ^= 0x40
        try other.write(to: url)
        do {
          let seen = try resume(url)
          #expect(seen.count < 3 && seen == Array(results.prefix(seen.count)), "byte \(at)")
        } catch {
          #expect(error is JobError, "byte \(at): \(error)")
        }
      }
    }
  }

  @Test("one that is there isn't overwritten, one that is in use isn't touched")
  func refusals() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      #expect(throws: JobError.self) { try resume(url) }
      _ = try write(url)
      #expect(throws: JobError.self) { try Journal.create(at: url, identity: identity()) }
      let journal = try Journal.resume(at: url, identity: identity()) { Int($0[0]) }
      let error = #expect(throws: JobError.self) { try resume(url) }
      #expect(error?.description.contains("another run is writing") == true)
      try journal.remove()
      #expect(try scratch.names.isEmpty)
    }
  }

  @Test("the journal of another run is refused, naming what differs, and stays whole")
  func otherRun() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      _ = try write(url)
      let before = try Data(contentsOf: url)
      let other = identity(model: "cc", limit: "3")
      let error = #expect(throws: JobError.self) { try resume(url, other) }
      let text = error?.description ?? ""
      #expect(text.contains("model (SHA-256) was aa and now is cc"), "\(text)")
      #expect(text.contains("--limit was none and now is 3"), "\(text)")
      #expect(try Data(contentsOf: url) == before)
    }
  }

  @Test("an identity's bytes are the same for the same run, and give it back")
  func identityBytes() throws {
    #expect(try RunIdentity(decoding: identity().encode()) == identity())
    #expect(try identity().encode() == RunIdentity(decoding: identity().encode()).encode())
    #expect(throws: JobError.self) { try RunIdentity(decoding: []) }
    #expect(RunIdentity([("a", "1")]).differences(from: RunIdentity([("b", "1")])).count == 1)
  }
}
