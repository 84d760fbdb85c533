import Foundation
import TestSupport
import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Generating runs", .serialized)
struct GeneratingRuns {
  private func generate(_ demo: URL, _ file: String, to output: URL, _ more: String...) -> [String] {
    [
      "generate", "--model", "\(demo.path)/model", "--dataset", "\(demo.path)/dataset/\(file)", "--images",
      "\(demo.path)/dataset/images", "--output", output.path, "--quiet",
    ] + more
  }

  private struct Caption: Decodable, Equatable {
    let image_id: Int
    let caption: String
  }

  private struct Answer: Decodable, Equatable {
    let question_id: Int
    let answer: String
  }

  @Test("texts have the same bytes however many images are decoded together, on 1 and 3 ranks")
  func batches() async throws {
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "6"])
      for (file, more) in [
        ("captions.json", []), ("questions.json", ["--temperature", "1.5"]),
        ("keyobjects.json", ["--objects", "crop", "--beams", "2"]),
      ] {
        var results: [Data] = []
        for (ranks, batch) in [(1, "1"), (1, "4"), (3, "1"), (3, "4"), (1, "16")] {
          let output = scratch.file("out.json")
          try await succeed(generate(demo, file, to: output) + more + ["--batch", batch], ranks: ranks)
          results.append(try Data(contentsOf: output))
          if batch == "16" {
            // The batch is no part of what the run is.
            let again = try await succeed(generate(demo, file, to: output, "--resume", "--batch", "2") + more)
            #expect(again.standardOutput.contains("already finished"))
          }
          try FileManager.default.removeItem(at: output)
        }
        #expect(Set(results).count == 1, "\(file) \(more)")
      }
    }
  }

  @Test("captions and answers have the same bytes on 1, 2 and 3 ranks, greedy, drawn and by beams")
  func ranks() async throws {
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "5"])
      for (file, more) in [
        ("captions.json", []), ("questions.json", []), ("keyobjects.json", ["--temperature", "1.5", "--top-p", "0.9"]),
        ("questions.json", ["--beams", "3"]),
      ] {
        var results: [Data] = []
        for ranks in 1...3 {
          let output = scratch.file("out.json")
          try await succeed(generate(demo, file, to: output) + more, ranks: ranks)
          results.append(try Data(contentsOf: output))
          try FileManager.default.removeItem(at: output)
        }
        #expect(results[0] == results[1] && results[1] == results[2], "\(file) \(more)")
        if file == "questions.json" {
          let answers = try JSONDecoder().decode([Answer].self, from: results[0])
          #expect(answers.map(\.question_id) == answers.map(\.question_id).sorted() && answers.count == 45)
        } else {
          #expect(try JSONDecoder().decode([Caption].self, from: results[0]).map(\.image_id) == [1, 2, 3, 4, 5])
        }
      }
      #expect(try scratch.names == ["demo", "out.json.run"])
    }
  }

  @Test("a finished output of another adapter, prompt or beam is not passed off as this run's", arguments: [nil, 2])
  func finishedOther(ranks: Int?) async throws {
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "2"])
      let output = scratch.file("out.json")
      try await succeed(generate(demo, "captions.json", to: output), ranks: ranks)
      let texts = try Data(contentsOf: output)
      let resumed = generate(demo, "captions.json", to: output, "--resume")
      let adapter = scratch.file("adapter")
      try await succeed([
        "train", "--model", "\(demo.path)/model", "--dataset", "\(demo.path)/dataset/keyobjects.json", "--images",
        "\(demo.path)/dataset/images", "--output", adapter.path, "--layers", "3", "--steps", "1", "--quiet",
      ])
      for (more, words) in [
        (["--adapter", adapter.path], "adapter (SHA-256) was none"), (["--prompt", "What?"], "--prompt was "),
        (["--beams", "2"], "--beams was 1 and now is 2"), (["--temperature", "1", "--seed", "1"], "--seed was 0"),
        (["--limit", "1"], "--limit was none"),
      ] {
        try await fail(
          resumed + more, ranks: ranks, saying: "\(output.path): is finished", words)
      }
      let again = try await succeed(resumed, ranks: ranks)
      #expect(again.standardOutput.contains("already finished"))
      // Texts that a person changed, and those that nobody knows the run of.
      try (texts + Data("\n".utf8)).write(to: output)
      try await fail(resumed, ranks: ranks, saying: "out.json: is not the file")
      try texts.write(to: output)
      try FileManager.default.removeItem(at: output.appendingPathExtension("run"))
      try await fail(resumed, ranks: ranks, saying: "out.json.run", "--output")
      #expect(try Data(contentsOf: output) == texts)
    }
  }

  @Test("the JSON summary says what the passes of the decoder took")
  func passes() async throws {
    struct Summary: Decodable {
      struct Kind: Decodable { let count: Int, seconds: Double, median: Double }
      struct Passes: Decodable { let beginning: Kind, continuing: [Int: Kind] }
      let passes: Passes?
    }
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "2"])
      let arguments = generate(
        demo, "captions.json", to: scratch.file("out.json"), "--max-new-tokens", "3", "--format", "json")
      let passes = try await JSONDecoder().decode(Summary.self, from: Data(succeed(arguments).standardOutput.utf8))
        .passes
      #expect(passes?.beginning.count == 2)
      // Two more for the second picture: with both, then alone.
      #expect(passes?.continuing.mapValues(\.count) == [2: 1, 1: 1])
      #expect(passes?.continuing[1].map { $0.median > 0 && $0.median == $0.seconds } == true)
      let again = try await succeed(arguments + ["--resume"]).standardOutput
      #expect(try JSONDecoder().decode(Summary.self, from: Data(again.utf8)).passes == nil)
    }
  }

  @Test("a model whose numbers are not finite skips what it can't answer, and the run ends normally")
  func notFinite() async throws {
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "2"])
      try fillWithNaN("lm_head.weight", "embed_tokens.weight", in: demo.appendingPathComponent("model"))
      let run = try await fail(
        generate(demo, "questions.json", to: scratch.file("out.json")), saying: "no sample could be used")
      #expect(run.standardError.contains(/sample [0-9]+ is skipped: .*finite/), "\(run.standardError)")
      #expect(try scratch.names == ["demo"])
    }
  }

  @Test(
    "an image that can't be used is skipped and named, and has no entry; --strict names all of them; a later run is refused or resumed"
  )
  func skipped() async throws {
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "3"])
      try Data([1, 2, 3]).write(to: demo.appendingPathComponent("dataset/images/000000000002.png"))
      let output = scratch.file("out.json")
      let third = demo.appendingPathComponent("dataset/images/000000000003.png")
      let sound = try Data(contentsOf: third)
      // Its header is sound.
      try sound.prefix(sound.count / 2).write(to: third)
      let strict = try await fail(
        generate(demo, "captions.json", to: output, "--strict"), ranks: 2,
        saying: "2 samples can't be used (--strict):", "000000000002.png", "000000000003.png")
      #expect(!strict.standardError.contains("skipped"), "\(strict.standardError)")
      try sound.write(to: third)
      try await fail(generate(demo, "captions.json", to: output), saying: "--resume")
      try await fail(
        generate(demo, "captions.json", to: output, "--resume", "--beams", "2"), saying: "--beams was 1 and now is 2")
      let resumed = try await skipTooMany(generate(demo, "captions.json", to: output, "--resume"))
      #expect(resumed.standardError.contains("000000000002.png"), "\(resumed.standardError)")
      #expect(resumed.standardOutput.contains("2 results, 1 skipped (1 picture)"), "\(resumed.standardOutput)")
      #expect(try JSONDecoder().decode([Caption].self, from: Data(contentsOf: output)).map(\.image_id) == [1, 3])
      let again = try await succeed(generate(demo, "captions.json", to: output, "--resume", "--allow-skips", "0.5"))
      #expect(again.standardOutput.contains("1 skipped (1 picture)"), "\(again.standardOutput)")
      #expect(again.standardOutput.contains("already finished"))
    }
  }

  @Test("an adapter changes the text; one that changes nothing, or doesn't fit, is refused")
  func adapters() async throws {
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "2"])
      func train(_ name: String, _ more: String...) -> [String] {
        [
          "train", "--model", "\(demo.path)/model", "--dataset", "\(demo.path)/dataset/keyobjects.json", "--images",
          "\(demo.path)/dataset/images", "--output", scratch.file(name).path, "--layers", "3", "--quiet",
        ] + more
      }
      try await succeed(train("strong", "--lr", "0.3", "--steps", "6"))
      try await succeed(train("none", "--warmup", "1", "--steps", "1"))
      try await succeed(generate(demo, "captions.json", to: scratch.file("plain.json")))
      try await succeed(
        generate(demo, "captions.json", to: scratch.file("tuned.json"), "--adapter", scratch.file("strong").path))
      #expect(try Data(contentsOf: scratch.file("plain.json")) != Data(contentsOf: scratch.file("tuned.json")))
      try await fail(
        generate(demo, "captions.json", to: scratch.file("x.json"), "--adapter", scratch.file("none").path),
        saying: "changes nothing")
      var other = generate(demo, "captions.json", to: scratch.file("x.json"), "--adapter", scratch.file("strong").path)
      other[2] = TinyCase.nested.model.path
      try await fail(other, ranks: 2, saying: "the adapter can't be used")
    }
  }

  @Test(
    "options that make no sense are refused",
    arguments: [
      (["--batch", "0"], 64, "--batch is 0"), (["--batch", "4097"], 64, "--batch is 4097"),
      (["--beams", "0"], 64, "--beams is 0"), (["--temperature=-1"], 64, "--temperature is"),
      (["--top-p", "0"], 64, "--top-p is 0"),
      (["--max-new-tokens", "0"], 64, "--max-new-tokens is 0"),
      (["--beams", "2", "--temperature", "1"], 64, "exclude each other"),
      (["--adapter", "/nowhere"], 1, "/nowhere"),
    ])
  func refusals(_ more: [String], _ exitCode: Int32, _ words: String) async throws {
    try await ScratchFolder.with { scratch in
      let tiny = TinyCase.nested
      try await fail(
        [
          "generate", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path,
          "--output",
          scratch.file("x.json").path, "--quiet",
        ] + more, exitCode: exitCode, saying: words)
      #expect(try scratch.names.isEmpty)
    }
  }
}
