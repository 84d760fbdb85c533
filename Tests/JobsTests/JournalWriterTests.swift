import Foundation
import Jobs
import RunSupport
import TestSupport
import Testing

@Suite("Journal on a thread of its own")
struct JournalWriterTests {
  private let identity = RunIdentity([("what", "records")])

  private func records(_ url: URL) throws -> [Int: [UInt8]] {
    var found: [Int: [UInt8]] = [:]
    _ = try Journal.resume(
      at: url, identity: identity, decode: { bytes in (Int(bytes[0]), bytes) },
      visit: { found[Int($0[0])] = $0 })
    return found
  }

  private func record(_ key: Int) -> [UInt8] { [UInt8](repeating: UInt8(key), count: 1 + 100 * key) }

  @Test("what was appended is in the journal when the writer is drained, in its order")
  func drained() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("j")
      do {
        let journal = try Journal.create(at: url, identity: identity)
        let writer = JournalWriter(journal)
        for key in 0..<200 { try writer.append(record(key), key: key) }
        try writer.drain()
        let places = (0..<200).compactMap { journal.records[$0]?.lowerBound }
        #expect(places.count == 200 && places == places.sorted())
        // Afterwards the caller goes on by itself.
        try writer.append(record(200), key: 200)
        #expect(try journal.record(of: 200) == record(200))
        try writer.drain()
      }
      #expect(try records(url) == Dictionary(uniqueKeysWithValues: (0...200).map { ($0, record($0)) }))
    }
  }

  @Test("a process that ends in a hurry finds all records on the disk after save, and goes on if it doesn't end")
  func saved() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("j")
      let copy = scratch.file("copy")
      let journal = try Journal.create(at: url, identity: identity)
      let writer = JournalWriter(journal)
      for key in 0..<50 { try writer.append(record(key), key: key) }
      #expect(writer.save(within: 10))
      try FileManager.default.copyItem(at: url, to: copy)
      #expect(try records(copy).count == 50)
      try writer.append(record(50), key: 50)
      try writer.drain()
      #expect(journal.records.count == 51)
    }
  }
}
