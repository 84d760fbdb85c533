import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("report")
  struct ReportTests {
    @Test("makes the page of a fresh scoring run, and prints where it is")
    func report() async throws {
      try await ScratchFolder.with { scratch in
        let tiny = TinyCase.nested
        let file = scratch.file("hi.h5")
        let scored = try await MPIRun.launch("headimpact", tiny.score(to: file, "--save-scores"))
        try #require(scored.exitCode == 0, "\(scored.standardError)")
        let folder = scratch.file("report")
        let run = try await headimpact(
          "report", file.path, "--output", folder.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path,
          "--top-heads", "3", "--measure", "soft", "--title", "Tiny")
        #expect(run.exitCode == 0, "\(run.standardError)")
        #expect(run.standardOutput == folder.appendingPathComponent("index.html").path + "\n")
        let page = String(decoding: try Data(contentsOf: folder.appendingPathComponent("index.html")), as: UTF8.self)
        #expect(page.contains("<h1>Tiny</h1>") && page.contains("attention.png"))
        #expect(FileManager.default.fileExists(atPath: folder.appendingPathComponent("figures/hi-soft.svg").path))
        // The file alone; and an existing report only when asked.
        let refused = try await headimpact("report", file.path, "--output", folder.path)
        #expect(refused.exitCode == 1 && refused.standardError.contains("--overwrite"), "\(refused.standardError)")
        let again = try await headimpact("report", file.path, "--output", folder.path, "--overwrite")
        #expect(again.exitCode == 0, "\(again.standardError)")
      }
    }

    @Test("a file that is not a scoring run exits with 1, is named, and leaves no folder")
    func wrongInput() async throws {
      try await ScratchFolder.with { scratch in
        let text = scratch.file("text.h5")
        try Data("no".utf8).write(to: text)
        for input in [text, scratch.file("none.h5"), scratch.url] {
          let run = try await headimpact("report", input.path, "--output", scratch.file("report").path)
          #expect(run.exitCode == 1)
          #expect(run.standardError.contains(input.path), "\(run.standardError)")
          #expect(try scratch.names == ["text.h5"])
        }
      }
    }
  }
}
