import Foundation
import HDF5Store
import Safetensors
import TestSupport
import Testing

extension TrainingRuns {
  /// A short run of the nested tiny model, from a fresh adapter.
  static func short(_ output: URL, _ more: [String] = [], steps: Int = 6) -> [String] {
    let tiny = TinyCase.nested
    return [
      "train", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path, "--output",
      output.path, "--layers", "1,3", "--steps", "\(steps)", "--batch", "3", "--lr", "1e-2", "--precision", "f32",
      "--quiet",
    ] + more
  }

  @Suite("Ranks, passes, cache")
  struct SameResults {
    @Test("the adapter has the same bytes on 1 to 5 ranks, ranks without a sample included, with or without a cache")
    func ranks() async throws {
      try await ScratchFolder.with { scratch in
        let reference = scratch.file("1")
        try await succeed(short(reference))
        let bytes = try weights(reference)
        for ranks in 2...5 {
          try await succeed(short(scratch.file("\(ranks)")), ranks: ranks)
          #expect(try weights(scratch.file("\(ranks)")) == bytes, "\(ranks) ranks")
        }
        for (name, more) in [
          ("none", ["--no-cache"]), ("disk", ["--cache-memory", "0"]), ("little", ["--cache-memory", "40KB"]),
          ("threads", ["--threads", "1"]),
        ] {
          try await succeed(short(scratch.file(name), more), ranks: 2)
          #expect(try weights(scratch.file(name)) == bytes, "\(name)")
        }
        #expect(try TrainingSteps(scratch.file("none")).loss == TrainingSteps(reference).loss)
        #expect(try scratch.names.allSatisfy { !$0.hasPrefix(".headimpact") && !$0.hasSuffix(".training") })
      }
    }

    @Test(
      "nine questions a picture: the same bytes on 1 to 3 ranks, with or without a cache, from any layer on",
      arguments: zip(["0", "2,5"], ["bf16", "f32"]))
    func questions(layers: String, precision: String) async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "4"])
        func train(_ name: String, _ more: [String] = [], ranks: Int? = nil) async throws -> Data {
          try await succeed(
            [
              "train", "--model", "\(demo.path)/model", "--dataset", "\(demo.path)/dataset/questions.json",
              "--annotations", "\(demo.path)/dataset/annotations.json", "--images", "\(demo.path)/dataset/images",
              "--output", scratch.file(name).path, "--layers", layers, "--precision", precision, "--steps", "6",
              "--batch",
              "7", "--lr", "1e-2", "--quiet", "--validation-share", "0.3",
            ] + more, ranks: ranks)
          return try weights(scratch.file(name))
        }
        let shuffled = try await train("shuffled")
        #expect(try await train("2", ranks: 2) == shuffled)
        #expect(try await train("none", ["--no-cache"]) == shuffled)
        #expect(try await train("disk", ["--cache-memory", "30KB"], ranks: 2) == shuffled)
        // A picture's questions follow one another, and are computed on several ranks.
        let listed = try await train("listed", ["--shuffle", "none"])
        #expect(try await train("3", ["--shuffle", "none"], ranks: 3) == listed)
      }
    }

    @Test("bf16 keeps its cache in bf16, and gives the same bytes with and without it")
    func bfloat16() async throws {
      try await ScratchFolder.with { scratch in
        let options = ["--precision", "bf16"]
        try await succeed(short(scratch.file("a"), options), ranks: 2)
        try await succeed(short(scratch.file("b"), options + ["--no-cache"]))
        #expect(try weights(scratch.file("a")) == weights(scratch.file("b")))
        try await succeed(short(scratch.file("f32")))
        #expect(try weights(scratch.file("a")) != weights(scratch.file("f32")))
      }
    }

    @Test("several samples a pass change no bit", arguments: [2, 3])
    func microBatch(_ size: Int) async throws {
      try await ScratchFolder.with { scratch in
        for (name, more) in [("plain", []), ("dropout", ["--dropout", "0.3"]), ("dora", ["--dora"])] {
          try await succeed(short(scratch.file(name), more))
          try await succeed(short(scratch.file("\(name) some"), more + ["--micro-batch", "\(size)"]))
          #expect(try weights(scratch.file("\(name) some")) == weights(scratch.file(name)), "\(name)")
        }
        let (one, some) = (try TrainingSteps(scratch.file("plain")), try TrainingSteps(scratch.file("plain some")))
        #expect(some.tokens == one.tokens && some.loss == one.loss)
      }
    }

    @Test("dropout draws by seed, step and sample: the same on 1 and 3 ranks, another for another seed")
    func dropout() async throws {
      try await ScratchFolder.with { scratch in
        let options = ["--dropout", "0.3"]
        try await succeed(short(scratch.file("1"), options))
        try await succeed(short(scratch.file("3"), options), ranks: 3)
        try await succeed(short(scratch.file("plain")))
        #expect(try weights(scratch.file("1")) == weights(scratch.file("3")))
        #expect(try weights(scratch.file("1")) != weights(scratch.file("plain")))
      }
    }

    @Test(
      "from the second epoch on, what lies below the adapted layers isn't run: steps are faster than without a cache")
    func cacheSpeed() async throws {
      try await ScratchFolder.with { scratch in
        let options = ["--layers", "7", "--limit", "6", "--batch", "6", "--threads", "1"]
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "6"])
        func arguments(_ name: String, _ more: [String]) -> [String] {
          [
            "train", "--model", "\(demo.path)/model", "--dataset", "\(demo.path)/dataset/keyobjects.json", "--images",
            "\(demo.path)/dataset/images", "--output", scratch.file(name).path, "--steps", "6", "--quiet",
          ] + options + more
        }
        try await succeed(arguments("cached", []))
        try await succeed(arguments("anew", ["--no-cache"]))
        let (cached, anew) = (try TrainingSteps(scratch.file("cached")), try TrainingSteps(scratch.file("anew")))
        #expect(cached.loss == anew.loss)
        // Seven of eight layers and the vision tower are left out; a factor of 2 leaves room for a busy machine.
        let later = cached.seconds.dropFirst().min() ?? 0
        #expect(2 * later < anew.seconds.dropFirst().min() ?? 0, "\(cached.seconds) \(anew.seconds)")
      }
    }
  }

  @Suite("Learning")
  struct Learning {
    @Test("the demonstration model's loss on another form of its descriptions falls to a fifth within sixty steps")
    func shifted() async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed([
          "demo", "--output", demo.path, "--scenes", "96", "--split", "train", "--wording", "shifted",
        ])
        let dataset = demo.appendingPathComponent("dataset/keyobjects.json")
        let output = scratch.file("adapter")
        try await succeed(
          [
            "train", "--model", "\(demo.path)/model", "--dataset", dataset.path, "--images",
            "\(demo.path)/dataset/images",
            "--output", output.path, "--layers", "0,2,4", "--steps", "60", "--batch", "8", "--lr", "1e-2", "--schedule",
            "cosine", "--warmup", "5", "--precision", "f32", "--quiet", "--validation-share", "0.15",
          ], ranks: 2)
        let losses = try TrainingSteps(output).loss
        #expect(losses.suffix(5).reduce(0, +) / 5 < losses[0] / 5, "\(losses)")
        let validation = try HDF5File.read(from: output.appendingPathComponent("training.h5").path) {
          try $0.read("validation_loss", as: Double.self).values
        }
        #expect(validation.count >= 2 && (validation.min() ?? 0) < validation[0] / 4, "\(validation)")
        #expect(
          FileManager.default.fileExists(atPath: output.appendingPathComponent("last/adapter_model.safetensors").path))
      }
    }

    @Test("questions and their annotations train as descriptions do")
    func questions() async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "8"])
        // It answers "yes" and "no"; here it should say "true" and "false".
        let annotations = demo.appendingPathComponent("dataset/annotations.json")
        let text = try String(contentsOf: annotations, encoding: .utf8)
          .replacing("_answer\":\"yes\"", with: "_answer\":\"true\"").replacing(
            "_answer\":\"no\"", with: "_answer\":\"false\"")
        try Data(text.utf8).write(to: annotations)
        let output = scratch.file("adapter")
        try await succeed(
          [
            "train", "--model", "\(demo.path)/model", "--dataset", "\(demo.path)/dataset/questions.json",
            "--annotations",
            "\(demo.path)/dataset/annotations.json", "--images", "\(demo.path)/dataset/images", "--output", output.path,
            "--layers", "0,2,4", "--epochs", "6", "--batch", "18", "--micro-batch", "6", "--lr", "8e-3", "--quiet",
          ], ranks: 2)
        let losses = try TrainingSteps(output).loss
        // Four steps an epoch: each sees all 72 questions.
        #expect(losses.count == 24 && losses.suffix(4).reduce(0, +) < 0.5 * losses.prefix(4).reduce(0, +), "\(losses)")
      }
    }

    @Test("--log-format json writes a line a step, and one a validation")
    func jsonLog() async throws {
      try await ScratchFolder.with { scratch in
        let run = try await succeed(
          short(scratch.file("a"), ["--log-format", "json", "--validation-share", "0.4", "--validate-every", "3"]),
          ranks: 2)
        let lines = try run.standardError.split(separator: "\n").map { line in
          try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        #expect(lines.compactMap { $0["loss"] as? Double }.count == 6)
        #expect(lines.compactMap { $0["step"] as? Int }.filter { $0 > 0 }.max() == 6)
        #expect(lines.compactMap { $0["validation_loss"] as? Double }.count == 3, "\(run.standardError)")
        #expect(
          Set(lines.flatMap(\.keys)).isSuperset(of: [
            "gradient_norm", "learning_rate", "tokens", "seconds", "epoch", "best",
          ]))
      }
    }

    @Test("heads only: an ordinary adapter, zero outside the heads' rows and columns")
    func heads() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        var arguments = short(output, ["--heads", "1.0,3.2"])
        arguments.removeSubrange(
          (arguments.firstIndex(of: "--layers") ?? 0)...((arguments.firstIndex(of: "--layers") ?? 0) + 1))
        let run = try await succeed(arguments + ["--format", "json"])
        #expect(run.standardOutput.contains("trained_parameters"))
        let file = try SafetensorsFile(contentsOf: output.appendingPathComponent("adapter_model.safetensors"))
        let b = try #require(
          file.tensors["base_model.model.model.language_model.layers.3.self_attn.q_proj.lora_B.weight"])
        let values = try b.floats()
        let headDim = b.shape[0] / 4
        for (index, value) in values.enumerated() {
          let isOfHead = index / b.shape[1] / headDim == 2
          #expect((value != 0) == isOfHead, "row \(index / b.shape[1])")
        }
        let a = try #require(
          file.tensors["base_model.model.model.language_model.layers.1.self_attn.o_proj.lora_A.weight"])
        for (index, value) in try a.floats().enumerated() {
          #expect((value != 0) == (index % a.shape[1] < a.shape[1] / 4))
        }
      }
    }
  }

  @Suite("Stopped and resumed")
  struct Resumed {
    @Test("a run killed after a checkpoint continues with the same bytes, also on another number of ranks")
    func killed() async throws {
      try await ScratchFolder.with { scratch in
        let more = ["--checkpoint-every", "2", "--validation-share", "0.3", "--validate-every", "3"]
        try await succeed(short(scratch.file("whole"), more, steps: 40), ranks: 2)
        for (name, ranks) in [("same", 2), ("other", 3)] {
          let output = scratch.file(name)
          // Killed as soon as a checkpoint is there: whatever step that is, the result must be the same.
          let killer =
            "\"$@\" & p=$!; for i in $(seq 2000); do ls \(output.path).training/checkpoint-* >/dev/null 2>&1 && break; "
            + "sleep 0.005; done; pkill -9 -P $p; kill -9 $p; wait $p"
          _ = try await run(short(output, more, steps: 40), prefix: ["sh", "-c", killer, "sh"])
          if FileManager.default.fileExists(atPath: output.path) { continue }
          #expect(FileManager.default.fileExists(atPath: output.path + ".training"))
          try await fail(short(output, more, steps: 40), saying: "--resume")
          try await succeed(short(output, more + ["--resume"], steps: 40), ranks: ranks)
          #expect(try weights(output) == weights(scratch.file("whole")), "\(name)")
          #expect(try TrainingSteps(output).loss == TrainingSteps(scratch.file("whole")).loss)
          #expect(!FileManager.default.fileExists(atPath: output.path + ".training"))
        }
        let again = try await succeed(short(scratch.file("same"), more + ["--resume"], steps: 40))
        #expect(again.standardOutput.contains("already finished"))
        try await fail(
          short(scratch.file("same"), more + ["--resume"], steps: 41), saying: "length was 40 steps and now is 41")
      }
    }

    @Test("one rank killed in the middle ends all, and the run continues from its checkpoint")
    func oneRankKilled() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        let more = ["--checkpoint-every", "2", "--no-cache"]
        let steps = 400
        let killed = try await run(
          short(output, more, steps: steps), ranks: 3,
          prefix: Meanwhile.prefix(when: checkpoint(of: output), do: "kill -9 $$", on: 1))
        #expect(killed.exitCode != 0 && !FileManager.default.fileExists(atPath: output.path))
        let left = try FileManager.default.contentsOfDirectory(atPath: output.path + ".training")
        #expect(left.contains { $0.hasPrefix("checkpoint-") }, "\(left)")
        try await succeed(short(output, more + ["--resume"], steps: steps), ranks: 2)
        try await succeed(short(scratch.file("whole"), ["--checkpoint-every", "2"], steps: steps))
        #expect(try weights(output) == weights(scratch.file("whole")))
      }
    }

    @Test("a rank whose cache can't be read ends them all with its message, and leaves a checkpoint to continue from")
    func brokenCache() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        let more = ["--checkpoint-every", "2", "--cache-memory", "0"]
        let steps = 400
        // The cache has no name: it is emptied through rank 1's own descriptor, once there is a checkpoint.
        let empty = "for f in /proc/$$/fd/*; do case $(readlink $f) in */.headimpact.*) : > $f;; esac; done"
        let broken = try await run(
          short(output, more, steps: steps), ranks: 3,
          prefix: Meanwhile.prefix(when: checkpoint(of: output), do: empty, on: 1))
        #expect(broken.exitCode == 1 && !broken.timedOut)
        // Told once, by all ranks together. Emptied while it is read, the file may give zeros instead of an end.
        let told = ["a temporary file in", "returned different bytes than were written"].map {
          broken.standardError.components(separatedBy: $0).count - 1
        }
        #expect(told == [1, 0] || told == [0, 1], "\(broken.standardError)")
        let left = try FileManager.default.contentsOfDirectory(atPath: output.path + ".training")
        #expect(left.contains { $0.hasPrefix("checkpoint-") }, "\(left)")
        try await succeed(short(output, more + ["--resume"], steps: steps), ranks: 2)
        try await succeed(short(scratch.file("whole"), ["--checkpoint-every", "2"], steps: steps))
        #expect(try weights(output) == weights(scratch.file("whole")))
      }
    }

    @Test("a checkpoint of other inputs is refused, naming what differs")
    func otherInputs() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        // Stopped by a loss that is no number: what was good before it is kept.
        try await fail(
          short(output, ["--lr", "1e30", "--checkpoint-every", "1", "--clip", "0"]), ranks: 2, saying: "step ", "--lr")
        let left = try FileManager.default.contentsOfDirectory(atPath: output.path + ".training")
        #expect(left.count == 1 && left[0].hasPrefix("checkpoint-"), "\(left)")
        try await fail(short(output, ["--resume"]), saying: "--lr was 1e+30 and now is 0.01")
      }
    }

    @Test("a picture that came or went since the run was stopped is noticed: the examples would come in another order")
    func otherExamples() async throws {
      try await ScratchFolder.with { scratch in
        let images = scratch.file("images")
        try FileManager.default.copyItem(at: TinyCase.nested.images, to: images)
        let output = scratch.file("adapter")
        func arguments(_ more: [String] = []) -> [String] {
          var arguments = short(output, ["--lr", "1e30", "--checkpoint-every", "1", "--clip", "0"] + more)
          if let at = arguments.firstIndex(of: "--images") { arguments[at + 1] = images.path }
          return arguments
        }
        try await fail(arguments(), saying: "step ", "--lr")
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: images.path).sorted().last)
        try FileManager.default.removeItem(at: images.appendingPathComponent(name))
        let before = try FileManager.default.subpathsOfDirectory(atPath: output.path + ".training").sorted()
        try await fail(arguments(["--resume"]), ranks: 2, saying: "usable examples (SHA-256) was ", ".training")
        #expect(try FileManager.default.subpathsOfDirectory(atPath: output.path + ".training").sorted() == before)
        try FileManager.default.copyItem(
          at: TinyCase.nested.images.appendingPathComponent(name), to: images.appendingPathComponent(name))
        // It goes on, to the step that is at fault.
        let again = try await fail(arguments(["--resume"]), saying: "step ")
        #expect(!again.standardError.contains("other inputs"), "\(again.standardError)")
      }
    }
  }

  @Suite("Bad input")
  struct BadInput {
    @Test(
      "what can't be trained is refused before anything runs",
      arguments: [
        (["--layers", "99"], "there is no layer 99"), (["--layers", "1,1"], "named more than once"),
        (["--lora-rank", "100000"], "larger than a dimension of layers.1.self_attn.q_proj"),
        (["--lora-rank", "\(Int.max)"], "larger than a dimension of layers.1.self_attn.q_proj"),
        (["--init", "/nowhere"], "adapter_config.json"),
        (["--heads", "1.99"], "there is no head"),
        (["--annotations", "ANNOTATIONS"], "go with a VQA v2 question file"),
        (["--dataset", "/nowhere.json"], "/nowhere.json"), (["--images", "/nowhere"], "/nowhere"),
      ])
    func refusals(_ more: [String], _ words: String) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        let more = more.map { $0 == "ANNOTATIONS" ? TinyCase.nested.dataset.path : $0 }
        var arguments = short(output)
        // The last of an option counts only where it is given once.
        if let at = arguments.firstIndex(of: more[0]) { arguments.removeSubrange(at...at + 1) }
        if more[0] == "--init", let at = arguments.firstIndex(of: "--layers") { arguments.removeSubrange(at...at + 1) }
        try await fail(arguments + more, ranks: 2, saying: words)
        #expect(try scratch.names.isEmpty)
      }
    }

    @Test("an adapter of another model is refused, tensor by tensor")
    func otherModel() async throws {
      try await ScratchFolder.with { scratch in
        var arguments = short(scratch.file("adapter"), ["--init", TrainingCase(name: "odd").initial.path])
        if let at = arguments.firstIndex(of: "--layers") { arguments.removeSubrange(at...at + 1) }
        try await fail(arguments, saying: "the adapter can't be used", "lora_A.weight", "shape")
      }
    }

    @Test("layers and heads that were chosen on another model are refused, naming both", arguments: [nil, 2])
    func otherChoice(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        func selection(of tiny: TinyCase) async throws -> (hi: String, selection: String) {
          let hi = scratch.file("\(tiny).h5")
          try await succeed(tiny.score(to: hi))
          let run = try await succeed(["select", hi.path, "--strategy", "top", "--layers", "2", "--heads", "2"])
          let file = scratch.file("\(tiny).json")
          try Data(run.standardOutput.utf8).write(to: file)
          return (hi.path, file.path)
        }
        func arguments(_ more: [String]) -> [String] {
          var arguments = short(scratch.file("adapter"), more, steps: 1)
          if let at = arguments.firstIndex(of: "--layers") { arguments.removeSubrange(at...at + 1) }
          return arguments
        }
        let other = try await selection(of: TinyCase.all[1])
        for more in [
          ["--selection", other.selection], ["--selection", other.selection, "--heads", "top:2"],
          ["--hi", other.hi, "--heads", "top:2"],
        ] {
          try await fail(
            arguments(more), ranks: ranks, saying: "another model", more[1], TinyCase.nested.model.path)
        }
        let own = try await selection(of: .nested)
        try await succeed(arguments(["--selection", own.selection]), ranks: ranks)
      }
    }

    @Test("a picture that is missing is skipped and named; with --strict the run stops")
    func missingPicture() async throws {
      try await ScratchFolder.with { scratch in
        let images = scratch.file("images")
        try FileManager.default.copyItem(at: TinyCase.nested.images, to: images)
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: images.path).sorted().first)
        try FileManager.default.removeItem(at: images.appendingPathComponent(name))
        func arguments(_ output: String, _ more: [String] = []) -> [String] {
          var arguments = short(scratch.file(output), more)
          if let at = arguments.firstIndex(of: "--images") { arguments[at + 1] = images.path }
          return arguments
        }
        let run = try await skipTooMany(arguments("a"), ranks: 2)
        #expect(run.standardError.contains("is skipped") && run.standardError.contains(name), "\(run.standardError)")
        #expect(run.standardOutput.contains("missing picture"), "\(run.standardOutput)")
        let again = try await succeed(arguments("a", ["--resume", "--allow-skips", "0.6"]))
        #expect(again.standardOutput.contains("missing picture"), "\(again.standardOutput)")
        // What is finished stays so when the picture is back.
        try FileManager.default.copyItem(
          at: TinyCase.nested.images.appendingPathComponent(name), to: images.appendingPathComponent(name))
        try await succeed(arguments("a", ["--resume", "--allow-skips", "0.6"]))
        try FileManager.default.removeItem(at: images.appendingPathComponent(name))
        try await fail(arguments("b", ["--strict"]), saying: "--strict", name)
      }
    }

    @Test("wrong usage exits with 64")
    func usage() async throws {
      try await ScratchFolder.with { scratch in
        for more in [["--epochs", "1"], ["--selection", "x"], ["--schedule", "square"], ["--cache-memory", "much"]] {
          let code = try await run(short(scratch.file("x"), more)).exitCode
          #expect(code == 64, "\(more)")
        }
      }
    }
  }
}

/// The shell condition that a training has a checkpoint.
func checkpoint(of output: URL) -> String { Meanwhile.exists("'\(output.path).training'/checkpoint-*") }

private func short(_ output: URL, _ more: [String] = [], steps: Int = 6) -> [String] {
  TrainingRuns.short(output, more, steps: steps)
}
