import Foundation
import RunSupport
import TestSupport
import Testing

/// Runs of the program itself.
@Suite("Experiment runs", .serialized)
struct ExperimentRuns {
  private static func file(
    _ scratch: ScratchFolder, steps: Int = 3, arms: String = "pretrained, top, random-0, top-heads", cache: Int = 64,
    more: String = ""
  ) throws -> String {
    let file = scratch.file("e.yaml")
    try Data(
      """
      output: \(scratch.file("out").path)
      demonstration: {train_scenes: 10, test_scenes: 4}
      precision: f32
      select: {layers: 2, heads: 3}
      arms: [\(arms)]
      train: {steps: \(steps), batch: 4, lora_rank: 4, validation_share: 0.2, cache_memory_mb: \(cache)}
      generate: {max_new_tokens: 4}
      evaluate: {resamples: 50}
      ablate: {heads: 2, seeds: [0]}
      score_after: [top]
      tasks: {captions: {}}
      \(more)
      """.utf8
    ).write(to: file)
    return file.path
  }

  private func run(_ arguments: [String], ranks: Int? = nil) async throws -> MPIRun {
    let run = try await MPIRun.launch("headimpact", ["experiment"] + arguments, ranks: ranks, timeout: 240)
    #expect(!run.timedOut)
    return run
  }

  /// What an experiment leaves, among others.
  private static let paths = [
    "experiment.yaml", "experiment.json", "hi.h5", "selections/top.json",
    "adapters/captions/top/adapter_config.json",
    "results/captions/pretrained.json", "metrics/captions.json", "hi-after/captions/top.h5", "ablation.json",
    "report/index.html", "report/figures/training-loss-captions.svg",
  ]

  /// What a killed run leaves beside its folder and in it.
  private static func leaveBehind(_ scratch: ScratchFolder) throws -> [URL] {
    let files = [".out.lock.12-ab.partial", "out/report/.index.html.12-ab.partial"].map(scratch.file)
    for file in files {
      try Data().write(to: file)
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 0)], ofItemAtPath: file.path)
    }
    return files
  }

  @Test(
    "one file makes a folder that explains itself; going on repeats only what changed, to the same adapters as train makes"
  )
  func protocolFromOneFile() async throws {
    try await ScratchFolder.with { scratch in
      let file = try Self.file(scratch)
      let first = try await run([file], ranks: 2)
      try #require(first.exitCode == 0, "\(first.standardError)")
      let output = scratch.file("out")
      for path in Self.paths {
        #expect(FileManager.default.fileExists(atPath: output.appendingPathComponent(path).path), "\(path)")
      }
      #expect(first.standardOutput.contains("Captions: CIDEr of the pre-trained model is"))

      // The same file again: refused without --resume, and nothing to do with it.
      let refused = try await run([file])
      #expect(refused.exitCode == 1 && refused.standardError.contains("--resume"))
      let left = try Self.leaveBehind(scratch)
      let again = try await run([file, "--resume"])
      #expect(again.exitCode == 0, "\(again.standardError)")
      #expect(left.allSatisfy { !FileManager.default.fileExists(atPath: $0.path) })
      let steps = again.standardError.split(separator: "\n").filter { $0.hasPrefix("[") }
      #expect(!steps.isEmpty && steps.allSatisfy { $0.hasSuffix("already done") }, "\(steps)")

      // Less memory for the cache, another number of threads: no number changes.
      let cheaper = try await run([try Self.file(scratch, cache: 1, more: "threads: 1"), "--resume"])
      #expect(cheaper.exitCode == 0, "\(cheaper.standardError)")
      let repeated = cheaper.standardError.split(separator: "\n").filter { $0.hasPrefix("[") }
      #expect(!repeated.isEmpty && repeated.allSatisfy { $0.hasSuffix("already done") }, "\(repeated)")

      // An output that is another than its step made.
      let results = output.appendingPathComponent("results/captions/top.json")
      let texts = try Data(contentsOf: results)
      try Data("[]".utf8).write(to: results)
      let changedOutput = try await run([file, "--resume"])
      #expect(changedOutput.exitCode == 1 && changedOutput.standardError.contains(results.path))
      try texts.write(to: results)

      // Another length of training: what comes before it stays, what depends on it is made anew.
      let top = output.appendingPathComponent("adapters/captions/top/adapter_model.safetensors")
      let before = try Data(contentsOf: top)
      _ = try Self.file(scratch, steps: 4)
      let changed = try await run([file, "--resume"], ranks: 3)
      try #require(changed.exitCode == 0, "\(changed.standardError)")
      let lines = changed.standardError.split(separator: "\n").map(String.init)
      for (step, isDone) in [
        ("score", true), ("generate captions/pretrained", true), ("train captions/top", false),
        ("generate captions/random-0", false), ("evaluate captions", false), ("ablate", true),
      ] {
        #expect(lines.contains { $0.hasSuffix("] \(step)" + (isDone ? ": already done" : "")) }, "\(step): \(lines)")
      }
      let after = try Data(contentsOf: top)
      #expect(after != before)
      #expect(changed.standardError.contains("length was 3 steps and now is 4 steps"), "\(changed.standardError)")
      let kept = output.appendingPathComponent("adapters/captions/top.old-1/adapter_model.safetensors")
      #expect(try Data(contentsOf: kept) == before)
      for path in [
        "results/captions/top.json.old-1", "results/captions/top.json.run.old-1", "metrics/captions.json.old-1",
      ] {
        #expect(FileManager.default.fileExists(atPath: output.appendingPathComponent(path).path), "\(path)")
      }

      // The shared prefix changes no bit.
      let alone = scratch.file("alone")
      let trained = try await MPIRun.launch(
        "headimpact",
        [
          "train", "--model", "\(output.path)/demonstration/model", "--dataset",
          "\(output.path)/demonstration/train/captions.json", "--images", "\(output.path)/demonstration/train/images",
          "--selection", "\(output.path)/selections/top.json", "--output", alone.path, "--steps", "4", "--batch", "4",
          "--lora-rank", "4", "--precision", "f32", "--validation-share", "0.2", "--quiet",
        ])
      try #require(trained.exitCode == 0, "\(trained.standardError)")
      #expect(try Data(contentsOf: alone.appendingPathComponent("adapter_model.safetensors")) == after)

      // A report of the folder, made by itself.
      let report = try await MPIRun.launch(
        "headimpact", ["report", output.path, "--output", scratch.file("report").path])
      #expect(report.exitCode == 0, "\(report.standardError)")
      #expect(FileManager.default.fileExists(atPath: scratch.file("report").appendingPathComponent("index.html").path))
    }
  }

  @Test("a step that skips too many samples stops the experiment, until that is allowed")
  func tooManySkips() async throws {
    try await ScratchFolder.with { scratch in
      let file = try Self.file(scratch, steps: 1, arms: "pretrained, top")
      let made = try await run([file, "--quiet"])
      try #require(made.exitCode == 0, "\(made.standardError)")
      // Now from data of one's own, a picture of which is broken.
      let demonstration = scratch.file("out/demonstration")
      let pictures = demonstration.appendingPathComponent("test/images")
      let name = try #require(FileManager.default.contentsOfDirectory(atPath: pictures.path).sorted().first)
      try Data("no picture".utf8).write(to: pictures.appendingPathComponent(name))
      func own(_ more: String) throws {
        try Data(
          """
          output: \(scratch.file("own").path)
          model: \(demonstration.path)/model
          precision: f32
          score: {dataset: \(demonstration.path)/taught/keyobjects.json, images: \(demonstration.path)/taught/images}
          select: {layers: 2}
          arms: [pretrained, top]
          train: {steps: 1, batch: 4, lora_rank: 4}
          generate: {max_new_tokens: 4}
          evaluate: {resamples: 50}
          tasks:
            captions:
              train: {dataset: \(demonstration.path)/train/captions.json, images: \(demonstration.path)/train/images}
              test: {dataset: \(demonstration.path)/test/captions.json, images: \(demonstration.path)/test/images}
          \(more)
          """.utf8
        ).write(to: URL(fileURLWithPath: file))
      }
      try own("")
      for more in [[], ["--resume"]] {
        let stopped = try await run([file, "--quiet"] + more, ranks: 2)
        #expect(stopped.exitCode == 1, "\(stopped.standardError)")
        #expect(stopped.standardError.contains("generate captions/pretrained"), "\(stopped.standardError)")
        #expect(stopped.standardError.contains("allow_skips"), "\(stopped.standardError)")
      }
      try own("allow_skips: 0.3")
      let allowed = try await run([file, "--quiet", "--resume"], ranks: 2)
      #expect(allowed.exitCode == 0, "\(allowed.standardError)")
    }
  }

  @Test("random arms that draw the same layers are refused before anything is scored")
  func sameDraw() async throws {
    try await ScratchFolder.with { scratch in
      let run = try await run([try Self.file(scratch, arms: "pretrained, top, random-1, random-2"), "--quiet"])
      #expect(run.exitCode == 1)
      #expect(run.standardError.contains("random-1 and random-2 draw the same layers"), "\(run.standardError)")
      #expect(!FileManager.default.fileExists(atPath: scratch.file("out/hi.h5").path))
    }
  }

  @Test("--overwrite begins anew and keeps the old experiment until the new one is complete, also by --resume")
  func overwriting() async throws {
    try await ScratchFolder.with { scratch in
      let out = scratch.file("out")
      func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: out.appendingPathComponent(name).path)
      }
      let file = try Self.file(scratch, arms: "pretrained, top")
      let first = try await run([file, "--quiet"])
      try #require(first.exitCode == 0, "\(first.standardError)")
      try Data().write(to: out.appendingPathComponent("hi.h5.old-1"))
      // Equal draws end the run after its first step.
      let failing = try Self.file(scratch, arms: "pretrained, top, random-1, random-2")
      let stopped = try await run([failing, "--quiet", "--overwrite"], ranks: 2)
      #expect(stopped.exitCode == 1 && stopped.standardError.contains("draw the same"), "\(stopped.standardError)")
      #expect(exists("replaced/hi.h5") && exists("replaced/hi.h5.old-1") && !exists("hi.h5"))
      let whole = try await run([try Self.file(scratch, arms: "pretrained, top"), "--quiet", "--resume"], ranks: 2)
      #expect(whole.exitCode == 0, "\(whole.standardError)")
      #expect(exists("hi.h5") && !exists("replaced") && !exists("hi.h5.old-1"))
    }
  }

  @Test("a folder that another experiment is writing to is refused, and not touched", arguments: [nil, 2])
  func twoAtOnce(ranks: Int?) async throws {
    try await ScratchFolder.with { scratch in
      let file = try Self.file(scratch)
      let lock = try RunLock(for: scratch.file("out"), resumes: false)
      defer { lock.release() }
      for more in [[], ["--resume"]] {
        let run = try await run([file, "--quiet"] + more, ranks: ranks)
        #expect(run.exitCode == 1)
        #expect(
          run.standardError.contains("\(scratch.file("out").path): another run is writing"), "\(run.standardError)")
      }
      #expect(try scratch.names == ["e.yaml", "out.lock"])
    }
  }

  @Test("errors are reported before anything runs, and on one rank only")
  func wrong() async throws {
    try await ScratchFolder.with { scratch in
      let file = try Self.file(scratch)
      let text = try String(contentsOfFile: file, encoding: .utf8)
      try Data((text + "\nlayer: 3\n").utf8).write(to: URL(fileURLWithPath: file))
      let unknown = try await run([file], ranks: 2)
      #expect(unknown.exitCode == 1)
      #expect(unknown.standardError.contains("layer is not a known key"), "\(unknown.standardError)")
      #expect(try scratch.names == ["e.yaml"])
      let report = try await MPIRun.launch(
        "headimpact", ["report", scratch.url.path, "--output", scratch.file("r").path])
      #expect(report.exitCode == 1 && report.standardError.contains("is not an experiment's folder"))
    }
  }
}
