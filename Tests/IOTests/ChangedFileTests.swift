import Foundation
import IO
import TestSupport
import Testing

@Suite("Files that change while they are used")
struct ChangedFileTests {
  /// What `requireUnchanged` finds after `change` was done to a mapped file of 100 bytes.
  private func found(_ change: (URL) throws -> Void) throws -> String? {
    try ScratchFolder.with { scratch in
      let url = scratch.file("weights")
      try Data(repeating: 1, count: 100).write(to: url)
      let file = try MappedFile(contentsOf: url)
      try file.requireUnchanged()
      try change(url)
      do { try file.requireUnchanged(asksServer: true) } catch let error as ChangedFile {
        #expect(error.path == url.path)
        return error.change
      }
      return nil
    }
  }

  private func overwrite(_ url: URL, at offset: UInt64, _ bytes: [UInt8]) throws {
    let file = try FileHandle(forWritingTo: url)
    try file.seek(toOffset: offset)
    try file.write(contentsOf: Data(bytes))
    try file.close()
  }

  @Test("a mapped file that is written to in place, longer, shorter or neither, is changed")
  func inPlace() throws {
    #expect(try found { try overwrite($0, at: 50, [7]) }?.contains("was written at") == true)
    #expect(try found { try overwrite($0, at: 100, [7]) } == "had 100 bytes and now has 101")
    #expect(try found { truncate($0.path, 40) } == "had 100 bytes and now has 40")
  }

  @Test("a mapped file that is replaced by renaming, removed or renamed is not")
  func byName() throws {
    #expect(try found { try AtomicFile.write(Data(repeating: 2, count: 100), to: $0) } == nil)
    #expect(try found { try FileManager.default.removeItem(at: $0) } == nil)
    #expect(
      try found { try FileManager.default.moveItem(at: $0, to: $0.appendingPathExtension("old")) } == nil)
  }

  @Test("some bytes of a mapped file are read without the others; those behind its end are an error")
  func reading() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("numbers")
      try Data((0..<200).map(UInt8.init)).write(to: url)
      let file = try MappedFile(contentsOf: url)
      file.prefetch(10..<20)
      #expect(try file.read(10..<14) == [10, 11, 12, 13])
      truncate(url.path, 12)
      #expect(throws: UnusableFile.self) { try file.read(10..<14) }
    }
  }

  @Test("a file's stamp says what changed")
  func stamps() throws {
    try ScratchFolder.with { scratch in
      let (first, second) = (scratch.file("a"), scratch.file("b"))
      for url in [first, second] { try Data([1]).write(to: url) }
      let stamp = try #require(try FileStamp(first.path))
      #expect(try stamp == FileStamp(first.path))
      #expect(stamp.change(to: try #require(try FileStamp(second.path))) == "was replaced by another file")
      #expect(try FileStamp(scratch.file("none").path) == nil)
      #expect(try FileStamp(first.appendingPathComponent("below").path) == nil)
    }
  }
}
