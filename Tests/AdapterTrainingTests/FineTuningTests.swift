import Foundation
import Safetensors
import TestSupport
import Testing

extension TrainingRuns {
  @Suite("Fine-tuning as people do it")
  struct FineTuning {
    private func summary(_ run: MPIRun) throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(run.standardOutput.utf8)) as? [String: Any])
    }

    @Test("a run without patience stops behind the best state and keeps it, the same on 1 to 3 ranks")
    func patience() async throws {
      try await ScratchFolder.with { scratch in
        let more = [
          "--validation-share", "0.4", "--validate-every", "1", "--lr", "0.05", "--format", "json", "--patience", "2",
        ]
        let one = try summary(try await succeed(short(scratch.file("1"), more, steps: 200)))
        let (best, steps) = (
          try #require(one["best_validation_step"] as? Int), try #require(one["steps"] as? Int)
        )
        #expect(one["stopped_early"] as? Bool == true && steps == best + 2 && steps < 200, "\(one)")
        // Out of patience at the last step: nothing was left to stop.
        let whole = try summary(try await succeed(short(scratch.file("whole"), more, steps: steps)))
        #expect(whole["stopped_early"] as? Bool == false && whole["steps"] as? Int == steps, "\(whole)")
        for ranks in 2...3 {
          try await succeed(short(scratch.file("\(ranks)"), more, steps: 200), ranks: ranks)
          #expect(try weights(scratch.file("\(ranks)")) == weights(scratch.file("1")))
        }
        // The schedule is constant: a shorter run ends in the same state.
        let plain = ["--validation-share", "0.4", "--lr", "0.05", "--keep", "last"]
        for (name, count) in [("", best), ("last", steps)] {
          let other = scratch.file("to \(count)")
          try await succeed(short(other, plain, steps: count))
          #expect(try weights(scratch.file("1").appendingPathComponent(name)) == weights(other), "\(name)")
        }
        let last = scratch.file("keeps last")
        try await succeed(short(last, more + ["--keep", "last"], steps: 200))
        #expect(try weights(last) == weights(scratch.file("1").appendingPathComponent("last")))
        #expect(try weights(last.appendingPathComponent("best")) == weights(scratch.file("1")))
        try await fail(short(scratch.file("x"), ["--patience", "2"]), exitCode: 64, saying: "--patience needs")
      }
    }

    @Test(
      "an adapter of training is replaced by another with --overwrite; a folder with something else is refused at once")
    func overwrites() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        try await succeed(short(output, ["--validation-share", "0.4"], steps: 2))
        let first = try weights(output)
        // The events' name has their time, and without validation there is no other state.
        try Data().write(to: output.appendingPathComponent("events.out.tfevents.1.headimpact"))
        try await succeed(short(output, ["--overwrite"], steps: 3))
        let second = try weights(output)
        #expect(second != first)
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: output.path))
        #expect(!names.contains("last") && !names.contains("events.out.tfevents.1.headimpact"), "\(names)")
        try Data().write(to: output.appendingPathComponent("notes.txt"))
        try await fail(short(output, ["--overwrite"], steps: 2), saying: "notes.txt")
        #expect(try weights(output) == second && scratch.names == ["adapter"])
      }
    }

    @Test("beside the adapter lie its card, the loss as a picture and as numbers, and events")
    func companions() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        try await succeed(short(output, ["--validation-share", "0.4", "--validate-every", "3"]))
        func text(_ name: String) throws -> String {
          try String(contentsOf: output.appendingPathComponent(name), encoding: .utf8)
        }
        let card = try text("README.md")
        let model = TinyCase.nested.model.standardizedFileURL.path
        for words in [
          "base_model: \"\(model)\"", "library_name: peft", "--lr 1e-2", "![The loss of each step](loss.svg)",
          "| Modules | q_proj, k_proj, v_proj, o_proj |", "| Validation, step 6 |",
          "whose validation loss is the lowest",
        ] { #expect(card.contains(words), "\(words)") }
        let lines = try text("loss.csv").split(separator: "\n")
        #expect(lines.count == 1 + 6 + 3 && lines[0] == "split,step,loss")
        #expect(try text("loss.svg").hasPrefix("<?xml") || text("loss.svg").hasPrefix("<svg"))
        let events = try FileManager.default.contentsOfDirectory(atPath: output.path).filter {
          $0.hasPrefix("events.out.tfevents.")
        }
        #expect(events.count == 1)
        #expect(try text("adapter_config.json").contains("\"base_model_name_or_path\" : \"\(model)\""))
      }
    }

    /// The tiny dataset as conversations.
    private func conversations(system: String? = nil) throws -> Data {
      let dataset = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: TinyCase.nested.dataset)) as? [String: Any])
      let images = try #require(dataset["images"] as? [[String: Any]])
      var names: [Int: String] = [:]
      for image in images { names[image["id"] as? Int ?? -1] = image["file_name"] as? String }
      let annotations = try #require(dataset["annotations"] as? [[String: Any]])
      let lines = try annotations.sorted { ($0["id"] as? Int ?? 0) < ($1["id"] as? Int ?? 0) }.map { annotation in
        var record: [String: Any] = [
          "messages": [
            [
              "role": "user",
              "content": [
                ["type": "image", "image": names[annotation["image_id"] as? Int ?? -1] ?? ""],
                ["type": "text", "text": "Describe the main object in the image."],
              ],
            ], ["role": "assistant", "content": annotation["description"] as? String ?? ""],
          ]
        ]
        if let system { record["system"] = system }
        return try JSONSerialization.data(withJSONObject: record)
      }
      return Data(lines.joined(separator: Data("\n".utf8)))
    }

    private func replacing(_ option: String, by value: String, in arguments: [String]) -> [String] {
      var arguments = arguments
      if let at = arguments.firstIndex(of: option) { arguments[at + 1] = value }
      return arguments
    }

    @Test("conversations train what key objects of the same texts do, and answers are compared with theirs")
    func chats() async throws {
      try await ScratchFolder.with { scratch in
        let file = scratch.file("chat.jsonl")
        try conversations().write(to: file)
        let output = scratch.file("adapter")
        try await succeed(short(scratch.file("objects")))
        try await succeed(replacing("--dataset", by: file.path, in: short(output)), ranks: 2)
        #expect(try weights(output) == weights(scratch.file("objects")))
        let results = scratch.file("answers.json")
        try await succeed(
          [
            "generate", "--model", TinyCase.nested.model.path, "--adapter", output.path, "--dataset", file.path,
            "--images", TinyCase.nested.images.path, "--output", results.path, "--max-new-tokens", "4", "--quiet",
          ] + TinyCase.resize)
        let evaluation = try await succeed(["evaluate", "--references", file.path, "--results", results.path])
        #expect(evaluation.standardOutput.contains("exact_match"), "\(evaluation.standardOutput)")
        try conversations(system: "Be brief.").write(to: file)
        let told = replacing("--dataset", by: file.path, in: short(scratch.file("told"), steps: 1))
        try await fail(told, ranks: 2, saying: "system's turn, \"Be brief.\"", "--system")
      }
    }

    @Test("options in a file are those of the command line, which comes first; an unknown one is refused")
    func options() async throws {
      try await ScratchFolder.with { scratch in
        let tiny = TinyCase.nested
        let config = scratch.file("train.yaml")
        let text = """
          model: \(tiny.model.path)
          dataset: \(tiny.dataset.path)
          images: \(tiny.images.path)
          output: \(scratch.file("other").path)
          layers: [1, 3]
          epochs: 7
          batch: 3
          lr: 1e-2
          precision: f32
          lora_rank: 4
          quiet: true
          """
        try Data(text.utf8).write(to: config)
        let output = scratch.file("from file")
        try await succeed(["train", "--config", config.path, "--output", output.path, "--steps", "6"], ranks: 2)
        try await succeed(short(scratch.file("typed"), ["--lora-rank", "4"]))
        #expect(try weights(output) == weights(scratch.file("typed")))
        #expect(!FileManager.default.fileExists(atPath: scratch.file("other").path))
        try Data((text + "\nbatch_size: 4").utf8).write(to: config)
        try await fail(["train", "--config", config.path], saying: "train.yaml:12: batch-size is not an option")
      }
    }

    @Test(
      "DoRA and rsLoRA have the same bytes on 1 to 3 ranks and after --init, and merge", arguments: ["f32", "bf16"])
    func magnitudes(precision: String) async throws {
      try await ScratchFolder.with { scratch in
        let more = ["--dora", "--rslora", "--precision", precision]
        for ranks in 1...3 { try await succeed(short(scratch.file("\(ranks)"), more), ranks: ranks) }
        let file = try SafetensorsFile(
          contentsOf: scratch.file("1").appendingPathComponent("adapter_model.safetensors"))
        #expect(file.tensors.keys.count { $0.hasSuffix("lora_magnitude_vector") } == 8)
        for ranks in 2...3 { #expect(try weights(scratch.file("\(ranks)")) == weights(scratch.file("1"))) }
        var onward = short(scratch.file("onward"), ["--init", scratch.file("1").path], steps: 1)
        if let at = onward.firstIndex(of: "--layers") { onward.removeSubrange(at...at + 1) }
        try await succeed(onward)
        #expect(try weights(scratch.file("onward")) != weights(scratch.file("1")))
        try await succeed([
          "merge", "--model", TinyCase.nested.model.path, "--adapter", scratch.file("1").path, "--output",
          scratch.file("merged").path,
        ])
        try await succeed(TinyCase.nested.score(to: scratch.file("merged.h5"), model: scratch.file("merged")))
        try await fail(
          short(scratch.file("dropped"), ["--dora", "--dropout", "0.1"]), exitCode: 64,
          saying: "DoRA is trained without dropout")
      }
    }
  }
}
