import Foundation
import TestSupport
import Testing

extension ScoringRuns {
  @Suite("Output that can't be written")
  struct OutputFolderTests {
    @Test("a folder that isn't there is named before any work", arguments: [nil, 2])
    func missing(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let folder = scratch.file("none")
        try await fail(
          TinyCase.nested.score(to: folder.appendingPathComponent("hi.h5")), ranks: ranks, saying: folder.path,
          "--output")
        #expect(try scratch.names.isEmpty)
      }
    }

    @Test("a folder that nobody can write to is named")
    func readOnly() async throws {
      try await ScratchFolder.with { scratch in
        // Root may write everywhere but where the kernel itself allows no files.
        let folder = geteuid() == 0 ? URL(fileURLWithPath: "/proc") : scratch.file("read-only")
        if geteuid() != 0 {
          try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o555])
        }
        try await fail(TinyCase.nested.score(to: folder.appendingPathComponent("hi.h5")), saying: folder.path)
      }
    }

    @Test("a disk that is full ends the run with no half file", arguments: [8, 64])
    func full(blocks: Int) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        // A limit on the size of files fails as a full disk does: the small one in the journal, the other in the output.
        try await fail(
          TinyCase.nested.score(to: output),
          prefix: ["sh", "-c", "trap '' XFSZ; ulimit -f \(blocks); exec \"$@\"", "sh"], saying: scratch.url.path,
          "File too large")
        #expect(try scratch.names.filter { $0 != "hi.h5.journal" }.isEmpty)
      }
    }

    @Test("inputs that are wrong are named, and leave nothing behind")
    func inputs() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        let broken = scratch.file("broken.json")
        try Data(#"{"images": [], "annotations": [{"id": "x"}]}"#.utf8).write(to: broken)
        try await fail(
          TinyCase.nested.score(to: output, dataset: broken), saying: "\(broken.path)", "annotations[0].id")
        try Data(#"{"images": [], "annotations": []}"#.utf8).write(to: broken)
        try await fail(TinyCase.nested.score(to: output, dataset: broken), saying: "\(broken.path): has no annotation")
        let none = scratch.file("none.json")
        try await fail(TinyCase.nested.score(to: output, dataset: none), ranks: 2, saying: "rank 0: \(none.path)")
        for (option, value) in [
          ("--coverage", "1"), ("--coverage", "nan"), ("--limit", "0"), ("--sink-factor", "0"), ("--bootstrap", "0"),
          ("--threads", "0"),
        ] {
          let run = try await run(TinyCase.nested.score(to: output, option, value))
          #expect(run.exitCode == 64 && run.standardError.contains(option), "\(option) \(value): \(run.standardError)")
        }
        #expect(try scratch.names == ["broken.json"])
      }
    }
  }
}
