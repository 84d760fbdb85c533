import Foundation
import TestSupport
import Testing

@testable import Survey

@Suite("Journal")
struct JournalTests {
  /// A closed journal of three images.
  private func write(_ url: URL) throws -> [UnitResult] {
    let results = try [5, 3, 4].map { try unitResult(image: $0) }
    let journal = try Journal.create(at: url, identity: runIdentity())
    for result in results { try journal.append(result, bytes: result.encode()) }
    return results
  }

  private func resume(_ url: URL, _ identity: RunIdentity = runIdentity()) throws -> [UnitResult] {
    var seen: [UnitResult] = []
    _ = try Journal.resume(at: url, identity: identity) { seen.append($0) }
    return seen
  }

  @Test("what was appended is there again, in order and by image, and more can follow")
  func roundTrip() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let more = try unitResult(image: 9, samples: 0)
      do {
        let journal = try Journal.resume(at: url, identity: runIdentity()) { _ in }
        #expect(journal.records.keys.sorted() == [3, 4, 5])
        try journal.append(more, bytes: more.encode())
        #expect(try journal.result(of: 3) == results[1])
        #expect(try journal.result(of: 9) == more)
        #expect(throws: SurveyError.self) { try journal.result(of: 6) }
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
      let records = results.map { 24 + $0.encode().count }
      let ends = records.indices.map { bytes.count - records[($0 + 1)...].reduce(0, +) }
      let head = bytes.count - records.reduce(0, +)
      for count in 0..<bytes.count {
        try bytes.prefix(count).write(to: url)
        guard count >= head else {
          #expect(throws: SurveyError.self, "\(count) bytes") { try resume(url) }
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
          #expect(error is SurveyError, "byte \(at): \(error)")
        }
      }
    }
  }

  @Test("one that is there isn't overwritten, one that is in use isn't touched")
  func refusals() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      #expect(throws: SurveyError.self) { try resume(url) }
      _ = try write(url)
      #expect(throws: SurveyError.self) { try Journal.create(at: url, identity: runIdentity()) }
      let journal = try Journal.resume(at: url, identity: runIdentity()) { _ in }
      let error = #expect(throws: SurveyError.self) { try resume(url) }
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
      let other = runIdentity {
        $0.modelSHA256 = "cc"
        $0.limit = 3
      }
      let error = #expect(throws: SurveyError.self) { try resume(url, other) }
      let text = error?.description ?? ""
      #expect(text.contains("model (SHA-256) was aa and now is cc"), "\(text)")
      #expect(text.contains("--limit was none and now is 3"), "\(text)")
      #expect(try Data(contentsOf: url) == before)
    }
  }
}
