import Foundation
import Jobs
import RunSupport
import TestSupport
import Testing

@Suite("Kinds of outputs")
struct OutputKindTests {
  @Test(
    "a JSON output is known by how it begins",
    arguments: [
      ("[\n{\"image_id\": 1, \"caption\": \"a\"}\n]", true), ("[{\"image_id\":1}]", true), ("[]", false),
      ("{\"images\": []}", false), ("[{\"id\": 1}]", false), ("", false),
    ])
  func beginning(_ text: String, isOwn: Bool) throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("out.json")
      #expect(try kind.isKind(of: output))
      try Data(text.utf8).write(to: output)
      #expect(try kind.isKind(of: output) == isOwn)
    }
  }

  @Test("or by the OUTPUT.run beside it, if that is of this file")
  func runFile() throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("out.json")
      try Data("[]".utf8).write(to: output)
      try RunFile(RunIdentity([("prompt", "a")]), output: Array("[]".utf8), skips: SkipCounts(samples: 1, skipped: []))
        .write(beside: output)
      #expect(try kind.isKind(of: output))
      try Data("[ ]".utf8).write(to: output)
      #expect(try !kind.isKind(of: output))
      try Data("not JSON".utf8).write(to: RunFile.url(of: output))
      #expect(try !kind.isKind(of: output))
    }
  }

  private var kind: OutputKind { .json(beginning: ["[{\"image_id\":"]) }
}
