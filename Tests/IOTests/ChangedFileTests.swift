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

/// Each launches `mpi-cases crash`.
@Suite("Crashes")
struct CrashReportTests {
  private func crash(_ arguments: String..., environment: [String: String] = [:]) async throws -> MPIRun {
    let run = try await MPIRun.launch(
      "mpi-cases", ["crash"] + arguments, environment: ["HEADIMPACT_BACKTRACE": ""].merging(environment) { $1 },
      // Less to fill for the recursion, and no core files.
      prefix: ["sh", "-c", "ulimit -s 2048; ulimit -c 0; exec \"$@\"", "sh"])
    #expect(!run.timedOut && !run.standardOutput.contains("not reached"))
    return run
  }

  @Test("a mapped file that is shortened ends the program with one line that names it")
  func truncated() async throws {
    try await ScratchFolder.with { scratch in
      let url = scratch.file("model.safetensors")
      try Data(repeating: 1, count: 100_000).write(to: url)
      let run = try await crash("truncated", url.path)
      #expect(run.exitCode == 1)
      #expect(
        run.standardError
          == "headimpact: \(url.path): was shortened, or can't be read any more, while the program uses it. Replace a model's "
          + "files by renaming, never in place\n")
    }
  }

  @Test("another crash is one line too, and ends by the signal; a backtrace follows if it is asked for")
  func others() async throws {
    let pointer = try await crash("pointer")
    #expect(pointer.exitCode == 128 + SIGSEGV)
    #expect(
      pointer.standardError
        == "headimpact: crashed: SIGSEGV at address 0xdead000; HEADIMPACT_BACKTRACE=1 shows where\n")
    let stack = try await crash("stack")
    #expect(stack.exitCode == 128 + SIGSEGV)
    #expect(
      stack.standardError
        == "headimpact: crashed: the stack is too small (ulimit -s); HEADIMPACT_BACKTRACE=1 shows where\n")
    let traced = try await crash(
      "pointer", environment: ["HEADIMPACT_BACKTRACE": "1", "SWIFT_BACKTRACE": "color=no,symbolicate=off"])
    #expect(traced.exitCode == 128 + SIGSEGV)
    #expect(traced.standardError.hasPrefix("headimpact: crashed: SIGSEGV at address 0xdead000\n"))
  }
}
