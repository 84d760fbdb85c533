import Foundation
import RunSupport
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

  private func resume(_ url: URL, _ other: RunIdentity? = nil, salvages: Bool = false) throws -> [[UInt8]] {
    var seen: [[UInt8]] = []
    _ = try open(url, other, salvages: salvages) { seen.append($0) }
    return seen
  }

  private func open(
    _ url: URL, _ other: RunIdentity? = nil, salvages: Bool = false, visit: ([UInt8]) throws -> Void = { _ in }
  ) throws -> Journal {
    try Journal.resume(
      at: url, identity: other ?? identity(), salvages: salvages, decode: { (Int($0.first ?? 0), $0) }, visit: visit)
  }

  @Test(
    "who waits for a long journal is attended to before each record; what that throws ends the reading, and nothing is lost"
  )
  func attended() throws {
    struct Enough: Error {}
    try ScratchFolder.with { scratch in
      let url = scratch.file("j")
      let results = try write(url)
      var count = 0
      func resume(upTo limit: Int) throws {
        _ = try Journal.resume(
          at: url, identity: identity(),
          attend: {
            count += 1
            if count > limit { throw Enough() }
          }, decode: { (Int($0.first ?? 0), $0) }, visit: { _ in })
      }
      #expect(throws: Enough.self) { try resume(upTo: 1) }
      #expect(throws: Enough.self) { try resume(upTo: results.count + 1) }
      count = 0
      try resume(upTo: .max)
      #expect(count == 2 * results.count)
    }
  }

  @Test("appended records are read back, in order and by image, and more can follow")
  func roundTrip() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let more = record(9, 0)
      do {
        let journal = try open(url)
        #expect(journal.records.keys.sorted() == [3, 4, 5] && journal.notes.isEmpty)
        try journal.append(more, key: 9)
        #expect(try journal.record(of: 3) == results[1])
        #expect(try journal.record(of: 9) == more)
        #expect(throws: JobError.self) { try journal.record(of: 6) }
      }
      #expect(try resume(url) == results + [more])
    }
  }

  @Test("a record that is not what this run wrote is noticed when it is read back")
  func changedUnderTheRun() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let journal = try Journal.create(at: url, identity: identity())
      try journal.append(record(5), key: 5)
      let range = try #require(journal.records[5])
      let file = try FileHandle(forWritingTo: url)
      try file.seek(toOffset: range.lowerBound + 40)
      try file.write(contentsOf: Data([255]))
      try file.close()
      #expect(throws: JobError.self) { try journal.record(of: 5) }
    }
  }

  @Test("kept as an output, it ends with the last record and is no journal any more")
  func kept() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let journal = try Journal.create(at: url, identity: identity())
      try journal.append(record(5), key: 5)
      try journal.keep(as: scratch.file("out"), closing: Array("end".utf8))
      #expect(try scratch.names == ["out"])
      #expect(try Data(contentsOf: scratch.file("out")).suffix(3) == Data("end".utf8))
    }
  }

  @Test("cut at any byte, it yields the records before the cut, reports what was cut, and can continue")
  func cut() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let bytes = try Data(contentsOf: url)
      let records = results.map { 24 + $0.count }
      let ends = records.indices.map { bytes.count - records[($0 + 1)...].reduce(0, +) }
      let head = bytes.count - records.reduce(0, +)
      for count in 0...bytes.count {
        try bytes.prefix(count).write(to: url)
        let whole = ends.count { $0 <= count }
        let (seen, notes) = try seenAndNotes(url)
        #expect(seen == Array(results.prefix(whole)), "\(count) bytes")
        #expect(notes.isEmpty == (count == head || ends.contains(count)), "\(count) bytes: \(notes)")
        // The half record is gone, so that what follows can be read; a journal with nothing in it is begun anew.
        #expect(try Data(contentsOf: url) == bytes.prefix(whole == 0 ? head : ends[whole - 1]))
      }
    }
  }

  private func seenAndNotes(_ url: URL, salvages: Bool = false) throws -> (seen: [[UInt8]], notes: [String]) {
    var seen: [[UInt8]] = []
    let journal = try open(url, salvages: salvages) { seen.append($0) }
    return (seen, journal.notes)
  }

  @Test("a byte that was changed costs its record alone: without --salvage the run is refused, but for the last record")
  func changed() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let bytes = try Data(contentsOf: url)
      let lengths = results.map { 24 + $0.count }
      let head = bytes.count - lengths.reduce(0, +)
      for at in bytes.indices {
        var other = bytes
        other[at] ^= 0x40
        try other.write(to: url)
        guard at >= head else {
          #expect(throws: JobError.self, "byte \(at)") { try resume(url, salvages: true) }
          #expect(try Data(contentsOf: url) == other)
          continue
        }
        let damaged = at < head + lengths[0] ? 0 : at < head + lengths[0] + lengths[1] ? 1 : 2
        let left = results.indices.filter { $0 != damaged }.map { results[$0] }
        if damaged < 2 {
          let error = #expect(throws: JobError.self, "byte \(at)") { try resume(url) }
          let text = error?.description ?? ""
          #expect(text.contains("--salvage") && text.contains("\(lengths[damaged]) bytes"), "\(text)")
          #expect(text.contains("1 record, are lost; 2 records are intact"), "\(text)")
          #expect(try Data(contentsOf: url) == other, "a refused journal stays as it is")
        }
        let (seen, notes) = try seenAndNotes(url, salvages: true)
        #expect(seen == left && notes.count == 1, "byte \(at): \(notes)")
        // Once salvaged it is whole.
        #expect(try resume(url) == left, "byte \(at)")
        #expect(try scratch.names == ["j"])
      }
    }
  }

  @Test("a damaged part in a large journal is found the end of, whatever the length of its records says")
  func largeDamage() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let many = (0..<200).map { record(UInt8($0), 20_000) }
      do {
        let journal = try Journal.create(at: url, identity: identity())
        for result in many { try journal.append(result, key: Int(result[0])) }
      }
      var bytes = try Data(contentsOf: url)
      let start = bytes.count - 150 * 20_025
      // 100 records are nothing but zeros.
      bytes.replaceSubrange(start..<start + 100 * 20_025, with: Data(count: 100 * 20_025))
      try bytes.write(to: url)
      #expect(throws: JobError.self) { try resume(url) }
      let (seen, notes) = try seenAndNotes(url, salvages: true)
      #expect(seen == Array(many[..<50] + many[150...]))
      #expect(notes.first?.contains("\(100 * 20_025) bytes") == true, "\(notes)")
    }
  }

  @Test("zeros at the end, which a machine that crashed leaves, are dropped with a note")
  func zeroEnd() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let whole = try Data(contentsOf: url)
      try (whole + Data(count: 5000)).write(to: url)
      let (seen, notes) = try seenAndNotes(url)
      #expect(seen == results && notes.count == 1)
      #expect(try Data(contentsOf: url) == whole)
    }
  }

  @Test("a record that occurs twice is used once")
  func twice() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let bytes = try Data(contentsOf: url)
      let records = bytes.suffix(results.reduce(0) { $0 + 24 + $1.count })
      try (bytes + records).write(to: url)
      #expect(try resume(url) == results)
    }
  }

  @Test("a whole record that can't be read names the file and its place")
  func unreadable() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      _ = try write(url)
      let error = #expect(throws: JobError.self) {
        try Journal.resume(
          at: url, identity: identity(),
          decode: { bytes in
            if bytes[0] == 3 { throw JobError("a result of nothing") }
            return (Int(bytes[0]), bytes)
          }, visit: { _ in })
      }
      let text = error?.description ?? ""
      #expect(text.hasPrefix(url.path) && text.contains("at byte ") && text.contains("a result of nothing"), "\(text)")
    }
  }

  @Test("an existing one isn't overwritten, and one that is done with is removed")
  func refusals() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      _ = try write(url)
      #expect(throws: JobError.self) { try Journal.create(at: url, identity: identity()) }
      try open(url).remove()
      #expect(try scratch.names.isEmpty)
    }
  }

  @Test("two different results of one unit are refused, naming both places; --salvage doesn't choose one either")
  func contradiction() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      _ = try write(url)
      try open(url).append(record(3, 299), key: 3)
      let error = #expect(throws: JobError.self) { try resume(url, salvages: true) }
      let text = error?.description ?? ""
      #expect(text.contains("two different results of unit 3, at bytes ") && text.hasPrefix(url.path), "\(text)")
    }
  }

  @Test("a file of zeros, which a machine that crashed leaves, is begun anew", arguments: [1, 11, 60, 5000])
  func zeros(count: Int) throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      try Data(count: count).write(to: url)
      let (seen, notes) = try seenAndNotes(url)
      #expect(seen.isEmpty && notes.count == 1)
      #expect(try resume(url).isEmpty)
    }
  }

  @Test("records in another order are the same results; what isn't a record of a run at the end is dropped with a note")
  func tails() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let results = try write(url)
      let whole = try Data(contentsOf: url)
      let lengths = results.map { 24 + $0.count }
      let last = whole.suffix(lengths[2])
      let second = whole.dropLast(lengths[2]).suffix(lengths[1])
      try (whole.dropLast(lengths[1] + lengths[2]) + last + second).write(to: url)
      #expect(try resume(url) == [results[0], results[2], results[1]])
      for length in [Int64(1) << 62, -5] {
        try (whole + withUnsafeBytes(of: length.littleEndian) { Data($0) } + Data(count: 100)).write(to: url)
        let (seen, notes) = try seenAndNotes(url)
        #expect(seen == results && notes.count == 1, "\(notes)")
        #expect(try Data(contentsOf: url) == whole)
      }
    }
  }

  @Test("a folder, a pipe, or a link that leads nowhere in its place is refused at once")
  func noFile() throws {
    try ScratchFolder.with { scratch throws in
      for (name, make) in [
        ("folder", { mkdir($0, 0o777) }), ("pipe", { mkfifo($0, 0o666) }), ("link", { symlink("/nonexistent/x", $0) }),
      ] as [(String, (String) -> Int32)] {
        let url = scratch.file(name)
        try #require(make(url.path) == 0)
        let error = #expect(throws: (any Error).self, "\(name)") { try resume(url) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(url.path), "\(name)")
      }
    }
  }

  @Test("a journal that was removed, renamed or replaced, or whose folder was, is noticed at the next flush")
  func vanished() throws {
    try ScratchFolder.with { scratch throws in
      for vanish in [
        { try FileManager.default.removeItem(at: $0) },
        { try FileManager.default.moveItem(at: $0, to: $0.appendingPathExtension("old")) },
        { try Data("another".utf8).write(to: $0, options: .atomic) },
        { try FileManager.default.removeItem(at: $0.deletingLastPathComponent()) },
        {
          let folder = $0.deletingLastPathComponent()
          try FileManager.default.moveItem(at: folder, to: folder.appendingPathExtension("\(UUID().uuidString)"))
        },
      ] as [(URL) throws -> Void] {
        let url = scratch.file("folder/j")
        try FileManager.default.createDirectory(at: scratch.file("folder"), withIntermediateDirectories: true)
        let journal = try Journal.create(at: url, identity: identity())
        try journal.append(record(3), key: 3)
        try journal.flush()
        try vanish(url)
        let error = #expect(throws: JobError.self) { try journal.flush() }
        #expect(error?.description.hasPrefix("\(url.path): was removed, renamed or replaced") == true)
        try? FileManager.default.removeItem(at: scratch.file("folder"))
      }
    }
  }

  @Test("a run that lost its lock appends nothing more")
  func lostLock() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      var limits = RunLock.Limits()
      limits.silence = 0.6
      let lock = try RunLock(for: scratch.file("out"), resumes: false, limits: limits)
      defer { lock.release() }
      let journal = try Journal.create(at: url, identity: identity(), lock: lock)
      try journal.append(record(3), key: 3)
      try Data("{}".utf8).write(to: lock.url)
      usleep(200_000)
      #expect(throws: LockLost.self) { try journal.flush() }
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

  @Test(
    "a file that is not a journal is refused and stays", arguments: ["x", "precious", "HIJOURNAL2\n", "HIJOURNAL1\n{}"])
  func noJournal(text: String) throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("j")
      let bytes = Data((text + String(repeating: " ", count: text.hasSuffix("}") ? 40 : 0)).utf8)
      try bytes.write(to: url)
      #expect(throws: JobError.self) { try resume(url, salvages: true) }
      #expect(try Data(contentsOf: url) == bytes)
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
