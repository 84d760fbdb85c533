import Foundation
import TestSupport
import Testing

/// A job with all that it needs, none of which is there.
private func job(_ verb: String, _ more: String...) -> [String] {
  [verb, "--model", "m", "--dataset", "d", "--images", "i", "--output", "o"] + more
}

private func build(_ more: String...) -> [String] {
  ["dataset", "build", "--instances", "i.json", "--images", "i", "--output", "o.json"] + more
}

extension CommandLineSuite {
  @Suite("Usage")
  struct UsageTests {
    @Test(
      "wrong usage exits with 64 and says what is wrong on standard error",
      arguments: [
        (["score"], "--model"),
        (
          ["score", "--model", "m", "--dataset", "d", "--images", "i", "--output", "o", "--views", "tile"],
          "tile"
        ),
        (["score", "--shard", "0/3"], "a shard is i/n"), (["score", "--shard", "4/3"], "a shard is i/n"),
        (["score", "--shard", "x"], "a shard is i/n"), (["gather"], "--output"),
        (["score", "--precision", "f16"], "f16"), (["select"], "file"),
        (["select", "x.h5", "--strategy", "best"], "best"), (["select", "x.h5", "--measure", "iou"], "iou"),
        (["doctor", "--dataset", "x.json"], "--dataset needs --model"), (["doctor", "--ranks", "0"], "--ranks"),
        (["demo"], "--output"), (["report", "x.h5"], "--output"),
        (["report", "x.h5", "--output", "r", "--dataset", "d"], "--dataset needs --images"),
        (["report", "x.h5", "--output", "r", "--top-heads", "0"], "--top-heads"), (["scoer"], "scoer"),
        (["select", "x.h5", "--no-such-flag"], "no-such-flag"),
        (["ablate", "--model", "m", "--dataset", "d", "--images", "i", "--output", "o"], "--hi or --head"),
        (["attend", "--model", "m", "--head", "14", "--output", "o"], "14"),
        (["score", "--modle", "m"], "Usage: headimpact score [<options>] --model"),
        (["train", "--batch-size", "4"], "Usage: headimpact train "),
        (build("--min-area", "2"), "--min-area 2"), (build("--per-image", "0"), "--per-image 0"),
        (build("--split", "1,1,1"), "--split 1,1,1"), (job("generate", "--beams", "0"), "--beams is 0"),
        (job("ablate", "--head", "0.0", "--bootstrap", "0"), "--bootstrap is 0"),
        (["attend", "--model", "m", "--head", "1.4,", "--output", "o"], "1.4,"),
        (job("ablate", "--head", "1.4,x"), "1.4,x"),
        (["experiment", "x.yaml", "--silence-limit", "5"], "at least 10 seconds"),
        (["train", "--batch-size", "4"], "it is called --batch here"),
        (["train", "--learning_rate=1"], "called --lr here"),
        (["score", "--dtype", "bfloat16"], "called --precision here (f32 or bf16)"),
        (["train", "--lora_rank", "4"], "called --lora-rank here"),
        (["merge", "--output-dir", "x"], "called --output here"),
        (["score", "--modle", "m"], "There is no option --modle. Did you mean --model"),
        (["dataset", "build", "--uniqe"], "no option --uniqe. Did you mean --unique"),
        (["dataset", "build", "--uniqe"], "headimpact dataset build --help"),
        (job("score", "--limit", "-3"), "--limit is -3"),
        (job("ablate", "--limit", "0", "--head", "0.0"), "--limit is 0"),
        (job("generate", "--prompt", ""), "--prompt is empty"), (job("generate", "--threads", "0"), "--threads is 0"),
        (job("score", "--resume", "--overwrite"), "give one of them"),
      ])
    func wrongUsage(arguments: [String], word: String) async throws {
      let run = try await MPIRun.launch("headimpact", arguments)
      #expect(run.exitCode == 64, "\(run.standardError)")
      #expect(run.standardError.contains(word), "\(run.standardError)")
      #expect(run.standardOutput.isEmpty)
    }

    @Test("the value of an option may begin with dashes")
    func dashedValue() async throws {
      let run = try await headimpact("launch", "--mpirun-options", "--bind-to core", "-np", "0", "--", "doctor")
      #expect(!run.standardError.contains("There is no option"), "\(run.standardError)")
      #expect(run.standardError.contains("-np"), "\(run.standardError)")
    }

    @Test("under mpirun wrong usage is reported once")
    func once() async throws {
      let run = try await headimpact("score", "--precision", "f16", ranks: 2)
      #expect(run.exitCode == 64)
      #expect(run.standardError.components(separatedBy: "Error:").count == 2, "\(run.standardError)")
    }

    @Test(
      "--help of every verb tells its options",
      arguments: [
        "score", "gather", "select", "train", "generate", "ablate", "attend", "dataset", "report", "launch", "doctor",
        "demo",
      ])
    func help(verb: String) async throws {
      let run = try await headimpact(verb, "--help")
      #expect(run.exitCode == 0)
      #expect(run.standardOutput.contains("USAGE: headimpact \(verb)"))
      #expect(run.standardError.isEmpty)
    }

    @Test("--help and --version of the program; the former names every verb")
    func program() async throws {
      let help = try await headimpact("--help")
      #expect(help.exitCode == 0)
      for verb in ["score", "select", "ablate", "attend", "dataset", "report", "launch", "doctor", "demo"] {
        #expect(help.standardOutput.contains(verb))
      }
      let version = try await headimpact("--version")
      #expect(version.exitCode == 0)
      #expect(version.standardOutput.contains(/^[0-9]+\.[0-9]+\.[0-9]+\n$/))
    }
  }
}
