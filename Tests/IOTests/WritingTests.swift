import Foundation
import TestSupport
import Testing

@testable import IO

@Suite("Files and folders that appear whole")
struct WritingTests {
  @Test("a file gets its name when it is whole, in the place of another, and leaves nothing beside it")
  func atomic() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("out")
      let file = try AtomicFile(for: url)
      try Array("one ".utf8).withUnsafeBytes { try file.append($0) }
      try Array("two".utf8).withUnsafeBytes { try file.append($0) }
      #expect(!FileManager.default.fileExists(atPath: url.path))
      try file.commit()
      #expect(try InputFile.read(url) == Array("one two".utf8))
      try AtomicFile.write(Data("three".utf8), to: url)
      #expect(try InputFile.read(url) == Array("three".utf8))
      #expect(try scratch.names == ["out"])
    }
  }

  @Test("what is discarded, or only let go of, is removed")
  func discarded() throws {
    try ScratchFolder.with { scratch in
      try AtomicFile(preparing: [1, 2], for: scratch.file("a")).discard()
      _ = try AtomicFile(preparing: [1, 2], for: scratch.file("b"))
      #expect(try scratch.names.isEmpty)
    }
  }

  @Test("a full disk is an error in the system's words, and what was there stays")
  func fullDisk() throws {
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    try ScratchFolder.with { scratch in
      let url = scratch.file("out")
      try AtomicFile.write(Data("old".utf8), to: url)
      // The temporary name leads to a device that is always full.
      let aside = scratch.file("aside")
      try FileManager.default.createSymbolicLink(atPath: aside.path, withDestinationPath: "/dev/full")
      let file = try AtomicFile(for: url, aside: aside, flags: 0)
      let error = #expect(throws: EnvironmentFault.self) {
        try [UInt8](repeating: 1, count: 10).withUnsafeBytes { try file.append($0) }
      }
      #expect(error?.description == "\(url.path): can't be written: No space left on device")
      file.discard()
      #expect(try InputFile.read(url) == Array("old".utf8) && scratch.names == ["out"])
    }
  }

  @Test("a folder that can't be made is named by its own name, with the system's words")
  func folder() throws {
    try ScratchFolder.with { scratch in
      try AtomicFile.write(Data(), to: scratch.file("file"))
      let below = scratch.file("file/below")
      let error = #expect(throws: FolderError.self) {
        try WholeFolder.write(to: below, what: "the report", refusal: { _, _ in nil }) { _ in }
      }
      #expect(error?.description == "\(below.path): the report can't be made: Not a directory")
      let other = scratch.file("other")
      let inside = #expect(throws: FolderError.self) {
        try WholeFolder.write(to: other, what: "the report", refusal: { _, _ in nil }) { folder in
          try WholeFolder.write([1], to: folder.appendingPathComponent("none/x"))
        }
      }
      #expect(inside?.description == "\(other.path): the report can't be written: No such file or directory")
      #expect(try scratch.names == ["file"])
    }
  }

  @Test("temporary names are hidden, of this process, and never the same")
  func names() {
    let url = URL(fileURLWithPath: "/a/out.h5")
    let names = (0..<20).map { _ in TemporaryName.beside(url).path }
    #expect(Set(names).count == 20)
    #expect(
      names.allSatisfy {
        $0.hasPrefix("/a/.out.h5.\(ProcessMark.current.machineKey)-\(getpid())-") && $0.hasSuffix(".partial")
      })
  }
}

@Suite("What killed runs leave")
struct LeftoverTests {
  /// A process that has ended.
  private func endedProcess() throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    return process.processIdentifier
  }

  private func isRemoved(_ name: String, _ scratch: ScratchFolder, age: Double = 0, names: Set<String>? = ["out.h5"])
    throws -> Bool
  {
    try Data("half".utf8).write(to: scratch.file(name))
    let removed = TemporaryName.removeLeftovers(
      of: names, in: scratch.url, now: Date().timeIntervalSince1970 + age, silence: 120)
    #expect(removed == (try scratch.names.contains(name) ? [] : [name]))
    return !removed.isEmpty
  }

  @Test("files of ended processes go, those of live ones and of other names stay")
  func ofThisMachine() throws {
    try ScratchFolder.with { scratch in
      let (key, own) = (ProcessMark.current.machineKey, ProcessMark.current)
      let start = try #require(own.start)
      let ended = try endedProcess()
      #expect(try isRemoved(".out.h5.\(key)-\(ended)-77-ab12.partial", scratch))
      #expect(
        try isRemoved(".out.h5.\(key)-\(getpid())-\(start + 1)-ab12.partial", scratch), "a later process of this id")
      #expect(try isRemoved(".a.h5.\(key)-\(ended)-77-ab12.partial", scratch, names: nil))
      for name in [
        ".out.h5.\(key)-\(getpid())-\(start)-ab12.partial", ".out.h5x.\(key)-\(ended)-77-ab12.partial",
        "out.h5.\(key)-\(ended)-77-ab12.partial", ".out.h5.notes.partial",
        ".out.h5.partial",
      ] {
        #expect(try !isRemoved(name, scratch, age: 1000), "\(name)")
        try FileManager.default.removeItem(at: scratch.file(name))
      }
      // What was about to be replaced gets its name back.
      try Data("old".utf8).write(to: scratch.file(".out.h5.\(key)-\(ended)-77-ab12.old"))
      TemporaryName.removeLeftovers(of: nil, in: scratch.url, now: Date().timeIntervalSince1970, silence: 120)
      #expect(try scratch.names == ["out.h5"])
      #expect(try isRemoved(".out.h5.\(key)-\(ended)-77-ab12.old", scratch))
    }
  }

  @Test("files of other machines and of older versions go once nothing has changed for long")
  func ofOthers() throws {
    try ScratchFolder.with { scratch throws in
      for name in [".out.h5.0123abcd-1-77-ab12.partial", ".out.h5.976-ab12.partial"] {
        #expect(try !isRemoved(name, scratch, age: 100))
        #expect(try isRemoved(name, scratch, age: 130))
      }
    }
  }
}

@Suite("Open files")
struct OpenFileTests {
  @Test("a temporary file leaves no name, gives back what was written, and says where it ends")
  func temporary() throws {
    try ScratchFolder.with { scratch in
      let file = try OpenFile(temporaryIn: scratch.url)
      #expect(try scratch.names.isEmpty)
      try [UInt8](0..<100).withUnsafeBytes { try file.write($0, at: 10) }
      #expect(file.size == 110)
      #expect(try file.read(8..<12) == [0, 0, 0, 1])
      #expect(try file.read(110..<110).isEmpty)
      let error = #expect(throws: FileCutShort.self) { try file.read(100..<120) }
      #expect(
        error?.description.contains("ends at byte 110") == true && error?.description.contains(scratch.url.path) == true
      )
      try file.truncate(to: 20)
      #expect(file.size == 20)
    }
    let error = #expect(throws: EnvironmentFault.self) { try OpenFile(temporaryIn: URL(fileURLWithPath: "/nowhere")) }
    #expect(error?.description == "a temporary file in /nowhere: can't be made: No such file or directory")
  }

  @Test("a file knows whether its name still leads to it")
  func place() throws {
    try ScratchFolder.with { scratch in
      let (url, other) = (scratch.file("log"), scratch.file("other"))
      let file = try OpenFile(url, flags: O_RDWR | O_CREAT)
      #expect(throws: EnvironmentFault.self) { try OpenFile(url, flags: O_RDWR | O_CREAT | O_EXCL) }
      #expect(file.isAt(url) && !file.isAt(other))
      try FileManager.default.moveItem(at: url, to: other)
      #expect(!file.isAt(url) && file.isAt(other))
      _ = try OpenFile(url, flags: O_RDWR | O_CREAT)
      #expect(!file.isAt(url))
      try FileManager.default.removeItem(at: other)
      #expect(!file.isAt(other))
    }
  }
}

@Suite("Append-only log")
struct AppendLogTests {
  @Test("records are where append said, and whole ones are found again around a damaged one")
  func records() throws {
    try ScratchFolder.with { scratch in
      let file = try OpenFile(scratch.file("log"), flags: O_RDWR | O_CREAT)
      let log = AppendLog(file)
      try log.begin(with: Array("MAGIC".utf8))
      let records = try (0..<4).map { try log.append([UInt8](repeating: UInt8($0), count: 50 * $0)) }
      let whole = try AppendLogScan(log, from: 5, size: file.size)
      #expect(whole.records == records && whole.damage.isEmpty && whole.isWhole(from: 5))
      #expect(try file.read(records[2]) == [UInt8](repeating: 2, count: 100))
      // The format is that of the journals of earlier versions.
      #expect(
        try file.read(0..<29) == Array("MAGIC".utf8) + [UInt8](repeating: 0, count: 8) + Array("e3b0c44298fc1c14".utf8))
      try [9].withUnsafeBytes { try file.write($0, at: records[1].lowerBound) }
      let damaged = try AppendLogScan(log, from: 5, size: file.size)
      #expect(damaged.records == [records[0], records[2], records[3]] && damaged.lostRecords == 1)
      #expect(!damaged.isWhole(from: 5) && damaged.lostBytes == 74)
      try log.resume(at: records[0].upperBound)
      #expect(try log.append([7]) == records[0].upperBound + 24..<records[0].upperBound + 25)
    }
  }
}

@Suite("Paths and reasons")
struct PathTests {
  @Test("a path that goes up or is absolute leaves its folder")
  func inside() {
    let folder = URL(fileURLWithPath: "/images")
    for path in ["../x", "a/../../x", "/x", "a/..", ".."] { #expect(RelativePath.url(path, in: folder) == nil) }
    for path in ["x", "a/b.jpg", "..x", "./x", "a//b"] { #expect(RelativePath.staysInside(path)) }
    #expect(RelativePath.url("a/b.jpg", in: folder)?.path == "/images/a/b.jpg")
    for path in ["./x", "a//b", "", "../x", "/x"] { #expect(!RelativePath.isPlain(path)) }
    #expect(RelativePath.isPlain("a/b.jpg"))
  }

  @Test("the home folder is meant by ~, wherever a path is typed")
  func home() {
    #expect(fileURL("~/x").path == FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent("x").path)
    #expect(fileURL("/a/~b").path == "/a/~b")
  }

  @Test("an error of Foundation is given in the system's words; others by their own description")
  func reasons() {
    func reasonOf(_ body: () throws -> Void) -> String? {
      do {
        try body()
        return nil
      } catch { return reason(of: error) }
    }
    #expect(reasonOf { _ = try Data(contentsOf: URL(fileURLWithPath: "/none/x")) } == "No such file or directory")
    #expect(
      reasonOf { try FileHandle(forWritingTo: URL(fileURLWithPath: "/none/x")).close() } == "No such file or directory")
    #expect(reasonOf { throw MissingFile(path: "/a") } == "/a: there is no such file")
    let json = reasonOf { _ = try JSONSerialization.jsonObject(with: Data("{".utf8)) }
    #expect(json?.contains("could not be completed") == false)
  }

  @Test("folders are made, listed and removed by name, with errors that name them")
  func folders() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("a/b")
      try FileSystem.makeFolder(folder)
      try FileSystem.makeFolder(folder)
      for name in ["z", "y"] { try AtomicFile.write(Data(), to: folder.appendingPathComponent(name)) }
      #expect(try FileSystem.names(in: folder) == ["y", "z"])
      try FileSystem.remove(scratch.file("a"))
      #expect(try scratch.names.isEmpty)
      for body in [{ try FileSystem.remove(folder) }, { _ = try FileSystem.names(in: folder) }] {
        let error = #expect(throws: EnvironmentFault.self) { try body() }
        #expect(error?.path == folder.path && error?.code == ENOENT)
      }
    }
  }
}
