import Foundation
import HeadImpact
import TestSupport
import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Ablating runs", .serialized)
struct AblatingRuns {
  private let tiny = TinyCase.nested

  private struct Result: Decodable {
    struct Row: Decodable {
      let name: String
      let heads: [[Int]]
      let loss: Double
      let difference: Double
      let lower: Double
      let upper: Double
      let outcomes: [Outcome]
    }
    struct Outcome: Decodable {
      let outcome: String
      let value: Double
      let difference: Double
    }
    let images: Int
    let samples: Int
    let tokens: Int
    let loss: Double
    let ablations: [Row]
    let outcomes: [Outcome]
    let skipped: [Skipped]

    struct Skipped: Decodable { let id: Int }

    init(_ file: URL) throws { self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: file)) }
  }

  private func ablate(
    to output: URL, _ more: String..., model: URL? = nil, dataset: URL? = nil, images: URL? = nil
  ) -> [String] {
    [
      "ablate", "--model", (model ?? tiny.model).path, "--dataset", (dataset ?? tiny.dataset).path, "--images",
      (images ?? tiny.images).path, "--precision", "f32", "--quiet", "--output", output.path,
    ] + TinyCase.resize + more
  }

  @Test("the best, worst and random heads of hi.h5 are ablated, with the same bytes on 1, 2, 3 and 5 ranks")
  func ranks() async throws {
    try await ScratchFolder.with { scratch in
      let hi = scratch.file("hi.h5")
      try await succeed(tiny.score(to: hi, "--precision", "f32"))
      var outputs: [Data] = []
      for ranks in [nil, 1, 2, 3, 5] {
        let output = scratch.file("\(ranks ?? 0).json")
        try await succeed(
          ablate(to: output, "--hi", hi.path, "--heads", "3", "--random-seeds", "0,7", "--head", "2.3"), ranks: ranks)
        outputs.append(try Data(contentsOf: output))
      }
      #expect(Set(outputs).count == 1)
      let result = try Result(scratch.file("3.json"))
      #expect(result.ablations.map(\.name) == ["top", "bottom", "random 0", "random 7", "named"])
      #expect(result.ablations.map(\.heads.count) == [3, 3, 3, 3, 1])
      #expect(Set(result.ablations.map(\.heads)).count == 5)
      #expect(result.images == 4 && result.samples == 8 && result.skipped.isEmpty)
      for row in result.ablations {
        #expect(abs(row.loss - result.loss - row.difference) < 1e-12 && row.difference != 0)
        #expect(row.lower <= row.difference && row.difference <= row.upper)
      }
    }
  }

  @Test("losses are means over supervised tokens, those of transformers")
  func means() async throws {
    try await ScratchFolder.with { scratch in
      let golden = try GoldenCase.all()[0]
      let output = scratch.file("out.json")
      let heads = golden.ablations[4].flatMap { ["--head", "\($0[0]).\($0[1])"] }
      try await succeed(ablate(to: output) + heads, ranks: 2)
      let result = try Result(output)
      let tokens = golden.samples.reduce(0) { $0 + $1.tokens }
      func mean(_ index: Int) -> Double { golden.samples.reduce(0) { $0 + $1.losses[index] } / Double(tokens) }
      #expect(result.tokens == tokens)
      #expect(abs(result.loss - mean(0)) < 1e-5 * mean(0))
      #expect(abs(result.ablations[0].loss - mean(5)) < 1e-5 * mean(5))
    }
  }

  @Test(
    "means over all images and what the model says have the same bytes on 1, 2 and 3 ranks",
    arguments: ["mean", "knockout"])
  func kinds(_ kind: String) async throws {
    try await ScratchFolder.with { scratch in
      let hi = scratch.file("hi.h5")
      try await succeed(tiny.score(to: hi, "--precision", "f32"))
      var outputs: [Data] = []
      for ranks in [1, 2, 3] {
        let (output, csv) = (scratch.file("\(ranks).json"), scratch.file("\(ranks).csv"))
        try await succeed(
          ablate(
            to: output, "--hi", hi.path, "--heads", "1,4", "--random-seeds", "0,7", "--ablation", kind, "--outcome",
            "cider,exact-match", "--max-new-tokens", "5", "--csv", csv.path), ranks: ranks)
        outputs.append(try Data(contentsOf: output))
        let lines = try String(contentsOf: csv, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 1 + (1 + 2 * 4) * 3 && lines[1].hasPrefix("\(kind),none,none,0,,loss,"))
        #expect(
          lines[0].hasSuffix(",unit") && lines[1...3].map { $0.split(separator: ",").last } == ["nats", "percent", "1"])
      }
      #expect(Set(outputs).count == 1)
      let result = try Result(scratch.file("1.json"))
      #expect(
        result.ablations.map { "\($0.name) \($0.heads.count)" }
          == [1, 4].flatMap { count in
            ["top", "bottom", "random 0", "random 7"].map { "\($0) \(count)" }
          })
      #expect(result.outcomes.map(\.outcome) == ["exact_match", "CIDEr"])
      let curves = try AblationCurves(json: Array(outputs[0]), name: "1.json")
      #expect(curves.ablation == kind && curves.images == result.images && curves.samples == result.samples)
      #expect(
        curves.curves.map(\.choice) == [
          "top", "bottom", "random", "top", "bottom", "random", "top", "bottom", "random",
        ])
      let random = curves.curves[2]
      #expect(random.baseline == result.loss && random.points.map(\.heads) == [1, 4] && random.points[0].draws == 2)
      let draws = result.ablations.filter { $0.name.hasPrefix("random") && $0.heads.count == 4 }.map(\.difference)
      let point = random.points[1]
      #expect(abs(point.difference - (draws[0] + draws[1]) / 2) < 1e-12)
      #expect(abs(point.lowest - (draws.min() ?? 0)) < 1e-12 && abs(point.highest - (draws.max() ?? 0)) < 1e-12)
      #expect(point.lower <= point.difference && point.difference <= point.upper)
    }
  }

  @Test("CIDEr of one image is 0, and a warning says so, as evaluate's does")
  func oneImage() async throws {
    try await ScratchFolder.with { scratch in
      let output = scratch.file("out.json")
      let outcome = ["--outcome", "CIDEr", "--max-new-tokens", "2", "--limit", "1"]
      let run = try await succeed(ablate(to: output, "--head", "0.1") + outcome)
      #expect(run.standardError.contains("warning: CIDEr is 0 for a set of one image"), "\(run.standardError)")
      let again = try await succeed(ablate(to: output, "--head", "0.1", "--resume") + outcome)
      #expect(again.standardError.contains("warning: CIDEr is 0"), "\(again.standardError)")
    }
  }

  @Test("what the unmodified model says scores as what generate writes does in evaluate")
  func outcomes() async throws {
    try await ScratchFolder.with { scratch in
      let (output, texts) = (scratch.file("out.json"), scratch.file("texts.json"))
      try await succeed(
        ablate(to: output, "--head", "0.1", "--outcome", "loss,CIDEr,exact_match", "--max-new-tokens", "5"), ranks: 2)
      try await succeed(
        [
          "generate", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path,
          "--precision", "f32", "--quiet", "--max-new-tokens", "5", "--output", texts.path,
        ] + TinyCase.resize)
      let run = try await succeed([
        "evaluate", "--references", tiny.dataset.path, "--results", texts.path, "--format", "json",
      ])
      struct Report: Decodable {
        struct Captions: Decodable { let scores: [String: Double] }
        let captions: Captions
      }
      let scores = try JSONDecoder().decode(Report.self, from: Data(run.standardOutput.utf8)).captions.scores
      for outcome in try Result(output).outcomes {
        #expect(abs(outcome.value - (scores[outcome.outcome] ?? .nan)) < 1e-12, "\(outcome.outcome): \(scores)")
      }
    }
  }

  @Test("with an adapter the losses are others")
  func adapter() async throws {
    try await ScratchFolder.with { scratch in
      try await succeed(ablate(to: scratch.file("plain.json"), "--head", "0.0"))
      try await succeed(
        ablate(to: scratch.file("adapted.json"), "--head", "0.0", "--adapter", TinyCase.nestedAdapter.path), ranks: 2)
      #expect(try Result(scratch.file("plain.json")).loss != Result(scratch.file("adapted.json")).loss)
    }
  }

  @Test("what can't be used is skipped and named; --strict names all of it, and an interrupted run is continued")
  func skipped() async throws {
    try await ScratchFolder.with { scratch in
      let images = scratch.file("images")
      try FileManager.default.copyItem(at: tiny.images, to: images)
      let image = images.appendingPathComponent("0003.jpg")
      try FileManager.default.removeItem(at: image)
      let output = scratch.file("out.json")
      let arguments = ablate(to: output, "--head", "1.1", images: images)
      let other = images.appendingPathComponent("0002.png")
      let sound = try Data(contentsOf: other)
      try Data("no picture".utf8).write(to: other)
      try await fail(
        arguments + ["--strict"], ranks: 2, saying: "examples can't be used (--strict):", "0002.png", "0003.jpg")
      try sound.write(to: other)
      try await fail(arguments, saying: "--resume")
      try await fail(arguments + ["--resume", "--head", "0.0"], saying: "ablated heads was named: 1.1 and now is ")
      try await skipTooMany(arguments + ["--resume"], ranks: 2)
      let result = try Result(output)
      #expect(result.images == 3 && result.skipped.count + result.samples == 8 && !result.skipped.isEmpty)
      let again = try await succeed(arguments + ["--resume", "--allow-skips", "0.5"])
      #expect(again.standardOutput.contains("skipped (1 missing picture)"), "\(again.standardOutput)")
      #expect(again.standardOutput.contains("already finished"))
      try await fail(arguments + ["--resume", "--limit", "3"], ranks: 2, saying: "--limit was none and now is 3")

      try FileManager.default.copyItem(at: tiny.images.appendingPathComponent("0003.jpg"), to: image)
      try await succeed(ablate(to: scratch.file("whole.json"), "--head", "1.1", images: images))
      #expect(try Result(scratch.file("whole.json")).samples == 8)
    }
  }

  @Test("where nothing can be used there is no output")
  func nothing() async throws {
    try await ScratchFolder.with { scratch in
      let images = scratch.file("images")
      try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
      try await fail(ablate(to: scratch.file("out.json"), "--head", "0.0", images: images), saying: images.path)
      for name in try FileManager.default.contentsOfDirectory(atPath: tiny.images.path) {
        try Data("no picture".utf8).write(to: images.appendingPathComponent(name))
      }
      try await fail(
        ablate(to: scratch.file("out.json"), "--head", "0.0", images: images), saying: "no example could be used")
      #expect(try scratch.names == ["images"])
    }
  }

  @Test(
    "heads that aren't there, and options that make no sense, are refused", arguments: [nil, 2],
    [
      (["--head", "4.0"], 1, "no head 4.0"), (["--head", "0.4"], 1, "0.4"),
      (["--head", "0.0", "--head", "0.0"], 64, "twice"), (["--head", "0.0,1.0,0.0"], 64, "twice"),
      (["--head", "0.0", "--outcome", "accuracy"], 1, "it needs questions with answers"),
      (["--head", "0.0", "--adapter", "/nowhere"], 1, "/nowhere"),
    ] as [([String], Int32, String)])
  func refusals(_ ranks: Int?, _ refused: (more: [String], exitCode: Int32, words: String)) async throws {
    try await ScratchFolder.with { scratch in
      try await fail(
        ablate(to: scratch.file("out.json")) + refused.more, ranks: ranks, exitCode: refused.exitCode,
        saying: refused.words)
      #expect(try scratch.names.isEmpty)
    }
  }

  @Test("a loss that is not finite skips its example, and the run and every resume of it end by themselves")
  func notFinite() async throws {
    try await ScratchFolder.with { scratch in
      let model = scratch.file("model")
      try FileManager.default.copyItem(at: tiny.model, to: model)
      try fillWithNaN("layers.1.self_attn.q_proj.weight", in: model)
      let run = try await fail(
        ablate(to: scratch.file("out.json"), "--head", "0.0", model: model), saying: "no example could be used")
      #expect(run.standardError.contains(/example [0-9]+ is skipped: .*finite/), "\(run.standardError)")
      #expect(try scratch.names == ["model"])
    }
  }

  @Test("--overwrite replaces an ablation, and neither other JSON nor the file that the heads were chosen by")
  func overwritten() async throws {
    try await ScratchFolder.with { scratch in
      let (hi, output, other) = (scratch.file("hi.h5"), scratch.file("out.json"), scratch.file("captions.json"))
      try await succeed(tiny.score(to: hi))
      try await succeed(ablate(to: output, "--head", "0.0"))
      let before = try Data(contentsOf: output)
      try await succeed(ablate(to: output, "--head", "1.1", "--overwrite"))
      #expect(try Data(contentsOf: output) != before)
      for foreign in ["{\"images\": [], \"annotations\": []}", "[{\"image_id\": 1, \"caption\": \"a\"}]"] {
        try Data(foreign.utf8).write(to: other)
        try await fail(ablate(to: other, "--head", "0.0", "--overwrite"), saying: "doesn't replace it")
        #expect(try Data(contentsOf: other) == Data(foreign.utf8))
      }
      let scored = try Data(contentsOf: hi)
      try await fail(
        ablate(to: hi, "--hi", hi.path, "--heads", "2", "--overwrite"), saying: "is an input of this command")
      #expect(try Data(contentsOf: hi) == scored)
    }
  }

  @Test("heads chosen by the Head Impact of another model are refused")
  func otherModel() async throws {
    try await ScratchFolder.with { scratch in
      let hi = scratch.file("hi.h5")
      try await succeed(TinyCase.all[1].score(to: hi))
      try await fail(
        ablate(to: scratch.file("out.json"), "--hi", hi.path, "--heads", "2"), saying: "another model")
    }
  }
}
