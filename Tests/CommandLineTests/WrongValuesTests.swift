import Foundation
import TestSupport
import Testing

/// What a verb needs, none of which is there: a value that isn't refused ends with exit code 1.
private let job = ["--model", "m", "--dataset", "d", "--images", "i", "--output", "o"]
private let needs: [[String]: [String]] = [
  ["score"]: job, ["gather"]: ["--output", "o"], ["select"]: ["x.h5"], ["train"]: job + ["--layers", "1"],
  ["merge"]: ["--model", "m", "--adapter", "a", "--output", "o"], ["generate"]: job,
  ["evaluate"]: ["--references", "r", "--results", "s"],
  ["dataset", "build"]: [
    "--instances", "i.json", "--images", "i", "--output", "o.json", "--choose", "largest", "--describe", "category",
  ],
  ["dataset", "preview"]: ["--dataset", "d", "--images", "i", "--output", "o"], ["experiment"]: ["x.yaml"],
  ["report"]: ["x.h5", "--output", "o"], ["compare"]: ["a.h5", "b.h5"],
  ["attend"]: ["--model", "m", "--image", "i.png", "--generate", "--head", "0.0", "--output", "o"],
  ["ablate"]: job + ["--head", "0.0"], ["ground"]: job + ["--heads", "0.0"], ["launch"]: ["--", "score"],
  ["doctor"]: ["--model", "m"], ["demo"]: ["--output", "o"],
]

/// Values that are out of an option's range, and what is said of that. An option that means another thing in some verb is
/// called "VERB OPTION" there.
private let ranges: [String: (values: [String], says: String)] = [
  "allow-skips": (["-1", "nan"], "a share from 0 to 1"), "annotation": ([], ""),
  "balance": (["0"], "at least 1"), "batch": (["0", "-1", "99999999999"], "it must be"),
  "beams": (["0", "-1", "99999999999"], "in 1...64"), "bootstrap": (["0", "99999999999"], "in 1...100000"),
  "cache-memory": (["-1", "1e400"], "--cache-memory"), "checkpoint-every": (["0"], "at least 1"),
  "checkpoint-minutes": (["-1", "nan", "1e400"], "at least 0"), "clip": (["-1", "nan", "1e400"], "at least 0"),
  "coverage": (["-1", "nan", "99999999999"], "at least 0 and below 1"),
  "dropout": (["-1", "nan", "1"], "less than 1"), "epochs": (["0", "99999999999"], "it must be at"),
  "layers": (["0", "-1"], "at least 1"), "limit": (["0", "-1"], "at least 1"),
  "lora-alpha": (["0", "-1", "nan", "1e400"], "above 0"), "lora-rank": (["0", "-1"], "at least 1"),
  "lr": (["0", "-1", "nan", "1e400"], "above 0"), "max-area": (["0", "-1", "nan", "1e400"], "shares from 0 to 1"),
  "max-new-tokens": (["0", "-1", "99999999999"], "in 1...65536"), "micro-batch": (["0"], "it must be at"),
  "min-area": (["-1", "nan", "99999999999"], "shares from 0 to 1"), "min-tokens": (["0", "-1"], "at least 1"),
  "np": (["0", "-1", "99999999999"], "in 1...1000000"), "patience": (["0"], "at least 1"),
  "pause": (["-1", "nan", "1e400", "99999999999"], "in 0...86400"), "per-image": (["0", "-1"], "at least 1"),
  "ranks": (["0", "99999999999"], "in 1...4096"), "reference-images": (["0", "-1", "99999999999"], "in 1...1000000"),
  "repetition-penalty": (["0", "-1", "nan", "1e400"], "in 0.000001...1000000"),
  "resamples": (["0", "-1", "99999999999"], "must be in"), "restarts": (["-1", "99999999999"], "in 0...1000"),
  "scenes": (["0", "-1", "99999999999"], "in 1...1000000"), "seed": ([], ""), "select heads": (["-1"], "at least 0"),
  "sigma": (["-1", "nan", "1e400", "99999999999"], "from 0 to 100"), "silence-limit": (["-1", "5"], "at least 10"),
  "sink-factor": (["0", "-1", "nan", "1e400"], "greater than 0"), "steps": (["0", "99999999999"], "it must be at"),
  "temperature": (["-1", "nan", "1e400"], "at least 0"), "threads": (["0", "99999999999"], "in 1...4096"),
  "top": (["0", "-1"], "at least 1"), "top-heads": (["0", "-1"], "1"),
  "report top-heads": (["0", "101"], "in 1...100"),
  "top-p": (["0", "-1", "nan", "99999999999"], "above 0 and at most 1"), "validate-every": (["0"], "at least 1"),
  "validation-share": (["-1", "1", "nan"], "less than 1"), "warmup": (["-1"], "at least 0"),
  "weight-decay": (["-1", "nan", "1e400"], "at least 0"),
]

/// Commands (JOB and BUILD stand for what such a verb needs) with an option that counts only with another, and what is said.
private let ignored: [(command: String, words: String)] = [
  ("score JOB --salvage", "--salvage counts only with --resume"),
  ("experiment x.yaml --salvage", "--salvage counts only with --resume"),
  ("experiment x.yaml --resume --overwrite", "give one of them"),
  ("select x.h5 --seed 3", "--seed counts only with --strategy random"),
  ("select x.h5 --overwrite", "--overwrite counts only with --output"),
  ("train JOB --layers 1 --hi h", "--hi counts only with --heads top:K"),
  ("train JOB --heads 1.1 --hi h", "--hi counts only with --heads top:K"),
  ("train JOB --heads 1.1 --selection s", "--selection or --heads, not both"),
  ("train JOB --heads top:1 --selection s --hi h", "--selection or --hi, not both"),
  ("train JOB --layers 1 --validate-every 2", "--validate-every counts only with --validation"),
  ("train JOB --layers 1 --validation-images i", "--validation-images counts only with --validation"),
  ("train JOB --layers 1 --no-cache --cache-dir c", "--cache-dir counts only with the cache"),
  ("generate JOB --top-p 0.5", "--top-p counts only with a --temperature above 0"),
  ("generate JOB --seed 1", "--seed counts only with a --temperature above 0"),
  ("evaluate --references r --results s --resamples 9", "--resamples counts only with --baseline"),
  ("evaluate --references r --results s --seed 9", "--seed counts only with --baseline"),
  ("evaluate --references r --results s --dialect vqa-official", "--dialect counts only with --questions"),
  ("evaluate --references r --results s --overwrite", "--overwrite counts only with --per-image"),
  ("BUILD --min-tokens 3", "--min-tokens counts only with --model"),
  ("BUILD --prompt a", "--prompt counts only with --describe model"),
  ("BUILD --require-mention", "--require-mention needs --captions"),
  ("dataset preview --dataset d --images i --output o --chat-template t", "--chat-template counts only with --model"),
  ("compare a.h5 b.h5 --title t", "--title counts only with --output"),
  ("compare a.h5 b.h5 --overwrite", "--overwrite counts only with --output"),
  ("attend --model m --image i --text a --head 0.0 --output o --top 2", "--top counts only with --hi"),
  ("attend --model m --image i --text a --head 0.0 --output o --coverage 0.1", "--coverage counts only with"),
  ("attend --model m --image i --text a --head 0.0 --output o --max-new-tokens 3", "only with --generate"),
  ("ablate JOB --head 0.0 --heads 2", "--heads counts only with --hi"),
  ("ablate JOB --head 0.0 --corrected", "--corrected counts only with --hi"),
  ("ablate JOB --head 0.0 --reference-images 2", "--reference-images counts only with --ablation mean"),
  ("ablate JOB --head 0.0 --max-new-tokens 2", "--max-new-tokens counts only with an --outcome"),
  ("ground JOB --heads 0.0 --top-heads 2", "--top-heads counts only with --hi"),
  ("doctor --model m --limit 2", "--limit counts only with --dataset"),
]

/// Arguments whose list or text names nothing, or something twice, and what is said.
private let empty: [(command: [String], words: String)] = [
  (["ablate"] + job + ["--hi", "h", "--heads", ""], "--heads is \"\""),
  (["ablate"] + job + ["--hi", "h", "--random-seeds", ""], "--random-seeds is empty"),
  (["ablate"] + job + ["--head", "0.0", "--outcome", ""], "--outcome is empty"),
  (["ablate"] + job + ["--head", "0.0,0.0"], "head 0.0 is named twice"),
  (["ground"] + job + ["--heads", ""], "--heads is empty"), (["ground"] + job + ["--heads", "1.1,1.1"], "twice"),
  (["ground"] + job + ["--heads", "0.0", "--threshold", "quantile:1"], "--threshold"),
  (["train"] + job + ["--heads", ""], "--heads is empty"),
  (["train"] + job + ["--layers", "1", "--steps", "2", "--warmup", "3"], "--warmup is 3; of 2 steps in all"),
  (["train"] + job + ["--heads", "top:0"], "at least 1"),
  (["train"] + job + ["--heads", "top:3"], "--heads top:K needs --hi"),
  (["train"] + job + ["--layers", ""], "--layers"),
  (["train"] + job + ["--layers", "1", "--targets", ""], "--targets is empty"),
  (["train"] + job + ["--heads", "1.1", "--dora"], "exclude each other"),
  (
    ["attend", "--model", "m", "--image", "i", "--text", " ", "--head", "0.0", "--output", "o"], "--text is empty"
  ),
  (
    ["attend", "--model", "m", "--image", "i", "--generate", "--prompt", "", "--head", "0.0", "--output", "o"],
    "--prompt is empty"
  ),
  (["doctor", "--model", "m", "--dataset", "d", "--prompt", " "], "--prompt is empty"),
]

extension CommandLineSuite {
  @Suite("Wrong values")
  struct WrongValuesTests {
    /// The names of the options that take a number, as a verb's help lists them.
    private func numbers(of verb: [String]) async throws -> [String] {
      let help = try await MPIRun.launch("headimpact", verb + ["--help"], environment: ["COLUMNS": "250"])
      let kinds = /(?m)^  (?:-\w+, )?--([a-z-]+) <(?:n|x|k|r|share|seconds|factor|cells|p|size|id|seed)>/
      return help.standardOutput.matches(of: kinds).map { String($0.1) }
    }

    private func refuse(_ arguments: [String], saying words: String...) async throws {
      let run = try await MPIRun.launch("headimpact", arguments)
      #expect(run.exitCode == 64, "\(arguments): \(run.standardError)")
      for word in words { #expect(run.standardError.contains(word), "\(arguments): \(run.standardError)") }
      #expect(run.standardOutput.isEmpty)
    }

    @Test(
      "every number of a verb has a range, and what is no number or beyond it is wrong usage", arguments: needs.keys)
    func numbers(verb: [String]) async throws {
      for option in try await numbers(of: verb) {
        let name = verb.joined(separator: " ")
        let range = try #require(ranges["\(name) \(option)"] ?? ranges[option], "\(verb) --\(option) has no range here")
        func words(_ value: String) -> [String] { verb + ["--\(option)=\(value)"] + (needs[verb] ?? []) }
        for value in range.values {
          try await refuse(words(value), saying: option == "np" ? "-np" : "--\(option)", range.says)
        }
        for value in [""] + (range.values.isEmpty ? ["nan"] : []) {
          try await refuse(words(value), saying: option == "np" ? "-np" : "--\(option)")
        }
      }
    }

    @Test("lists and texts that name nothing, or something twice, are wrong usage", arguments: empty)
    func lists(arguments: [String], words: String) async throws { try await refuse(arguments, saying: words) }

    @Test(
      "an empty path is wrong usage: it would be the working folder",
      arguments: [
        (["experiment", "x.yaml", "--output", ""], "--output is empty"), (["experiment", ""], "is empty"),
        (["score"] + job + ["--adapter="], "--adapter is empty"),
        (["select", "x.h5", "--output", ""], "--output is empty"),
        (["generate", "--model", "m", "--dataset", "d", "--images", "i", "--output", ""], "--output is empty"),
        (["doctor", "--model", ""], "--model is empty; it takes the path of a folder"),
      ])
    func paths(arguments: [String], word: String) async throws { try await refuse(arguments, saying: word) }

    @Test(
      "two paths of one file, where two files are wanted, are wrong usage, before any is opened",
      arguments: [
        ("compare a.h5 a.h5", "a.h5 is named twice"), ("compare a.h5 b.h5 link.h5", "link.h5 is named twice"),
        ("gather --output o.h5 a.h5 b.h5 ./a.h5", "./a.h5 is named twice"),
        ("evaluate --references r --results s --baseline ./s", "--results and --baseline are the same file"),
        ("ground JOB --heads 0.0 --page x/../o", "--page and --output are the same"),
        ("ablate --head 0.0 --model m --dataset d --images i --output o.csv --csv ./o.csv", "a name of its own"),
      ])
    func samePlace(command: String, words: String) async throws {
      try await ScratchFolder.with { scratch in
        try Data().write(to: scratch.file("a.h5"))
        try FileManager.default.createSymbolicLink(
          atPath: scratch.file("link.h5").path, withDestinationPath: "a.h5")
        let arguments = command.replacing("JOB", with: job.joined(separator: " ")).split(separator: " ").map(
          String.init)
        let run = try await MPIRun.launch("headimpact", arguments, folder: scratch.url)
        #expect(run.exitCode == 64 && run.standardError.contains(words), "\(command): \(run.standardError)")
        #expect(try scratch.names.sorted() == ["a.h5", "link.h5"])
      }
    }

    @Test("a table takes the place of no other file, whatever --overwrite says")
    func foreignTables() async throws {
      try await ScratchFolder.with { scratch in
        let mine = scratch.file("mine.csv")
        try Data("day,price\n1,2\n".utf8).write(to: mine)
        try await refuse(
          ["ablate", "--head", "0.0", "--csv", mine.path, "--overwrite"] + job, saying: "is no output of --csv")
        let each = try await MPIRun.launch(
          "headimpact",
          ["evaluate", "--references", "r", "--results", "s", "--per-image", mine.path, "--overwrite"])
        #expect(each.exitCode == 1 && each.standardError.contains("is no output of --per-image"))
        #expect(try String(contentsOf: mine, encoding: .utf8) == "day,price\n1,2\n")
      }
    }

    @Test("an option that would be ignored is wrong usage", arguments: ignored)
    func ignoredOption(command: String, words: String) async throws {
      let arguments = command.replacing("JOB", with: job.joined(separator: " "))
        .replacing("BUILD", with: "dataset build " + (needs[["dataset", "build"]] ?? []).joined(separator: " "))
      try await refuse(arguments.split(separator: " ").map(String.init), saying: words)
    }

    @Test("an experiment's folder has its own measure and heads: report refuses others")
    func experimentFolder() async throws {
      try await ScratchFolder.with { scratch in
        for option in [["--measure", "soft"], ["--top-heads", "3"]] {
          try await refuse(
            ["report", scratch.url.path, "--output", scratch.file("r").path] + option,
            saying: "\(option[0]) counts only with the file of a scoring run")
        }
      }
    }
  }
}
