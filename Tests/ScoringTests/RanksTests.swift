import Foundation
import TestSupport
import Testing

extension ScoringRuns {
  @Suite("Ranks")
  struct RanksTests {
    @Test(
      "any number of ranks, more than there are images too, gives the same bits",
      arguments: ["f32", "bf16"], ["1", "2"])
    func sameBits(precision: String, threads: String) async throws {
      try await ScratchFolder.with { scratch in
        func results(_ ranks: Int?) async throws -> Results {
          let output = scratch.file("\(ranks ?? 0).h5")
          try await succeed(
            TinyCase.nested.score(to: output, "--precision", precision, "--threads", threads, "--save-scores"),
            ranks: ranks)
          return try Results(output)
        }
        let alone = try await results(nil)
        for ranks in [1, 2, 3, 5] {
          let differences = try await results(ranks).differences(from: alone)
          #expect(differences.isEmpty, "\(ranks) ranks")
        }
      }
    }

    @Test(
      "the objects of an image are scored together wherever they are in the file",
      arguments: ["images", "annotations"])
    func order(list: String) async throws {
      try await ScratchFolder.with { scratch in
        var dataset = try EditedDataset(.nested, in: scratch)
        let output = scratch.file("as-it-is.h5")
        try await succeed(TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images))
        try dataset.reverse(list)
        let reversed = scratch.file("reversed.h5")
        try await succeed(TinyCase.nested.score(to: reversed, dataset: dataset.file, images: dataset.images), ranks: 2)
        let differences = try Results(reversed).differences(from: Results(output))
        #expect(differences.isEmpty)
      }
    }

    @Test("skipped samples don't make ranks differ")
    func sameBitsWithSkipped() async throws {
      try await ScratchFolder.with { scratch in
        var dataset = try EditedDataset(.nested, in: scratch)
        try dataset.edit("annotations", 93) { $0["description"] = " " }
        let (file, images) = (dataset.file, dataset.images)
        try FileManager.default.removeItem(at: images.appendingPathComponent("0002.png"))
        func results(_ ranks: Int?) async throws -> Results {
          let output = scratch.file("\(ranks ?? 0).h5")
          try await skipTooMany(TinyCase.nested.score(to: output, dataset: file, images: images), ranks: ranks)
          return try Results(output)
        }
        let alone = try await results(nil)
        let differences = try await results(3).differences(from: alone)
        #expect(differences.isEmpty)
      }
    }

    @Test("a rank that meets an unusable sample under --strict stops all and is named")
    func strict() async throws {
      try await ScratchFolder.with { scratch in
        let dataset = try EditedDataset(.nested, in: scratch)
        try FileManager.default.removeItem(at: dataset.images.appendingPathComponent("0002.png"))
        let output = scratch.file("hi.h5")
        let run = try await run(
          TinyCase.nested.score(to: output, "--strict", dataset: dataset.file, images: dataset.images), ranks: 3)
        #expect(run.exitCode != 0)
        let refusal = /rank [0-2]: host .+: annotation (79|212) can't be used \(--strict\): .*0002\.png/
        #expect(run.standardError.contains(refusal), "\(run.standardError)")
        #expect(!FileManager.default.fileExists(atPath: output.path))
      }
    }

    @Test("weights that are not finite skip every sample, and give no Head Impact", arguments: [nil, 2])
    func notANumber(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let model = scratch.file("model")
        try FileManager.default.copyItem(at: TinyCase.nested.model, to: model)
        try fillWithNaN("layers.1.self_attn.q_proj.weight", in: model)
        let output = scratch.file("hi.h5")
        let run = try await fail(
          TinyCase.nested.score(to: output, model: model), ranks: ranks, saying: "no sample could be used")
        #expect(run.standardError.contains(/annotation [0-9]+ is skipped: .*finite/), "\(run.standardError)")
        #expect(try scratch.names == ["model"])
      }
    }

    @Test("an error that all ranks find is printed once", arguments: [nil, 3])
    func agreed(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let missing = scratch.file("no-model")
        let run = try await fail(
          TinyCase.nested.score(to: scratch.file("hi.h5"), model: missing), ranks: ranks, saying: missing.path)
        #expect(run.standardError.components(separatedBy: missing.path).count == 2, "\(run.standardError)")
        #expect(try scratch.names.isEmpty)
      }
    }
  }
}
