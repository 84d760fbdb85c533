import Foundation
import HeadImpact
import Scoring
import TestSupport
import Testing

@testable import Experiment

private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

private let small = """
  output: out
  model: m
  score: {dataset: k.json, images: i}
  tasks:
    captions:
      train: {dataset: t.json, images: i}
      test: {dataset: v.json, images: i}

  """

private func configuration(_ text: String) throws -> ExperimentConfiguration {
  try ExperimentConfiguration(yaml: text, file: "e.yaml")
}

@Suite("An experiment's file")
struct ConfigurationTests {
  @Test("what it doesn't say has a default")
  func defaults() throws {
    let c = try configuration(small)
    #expect(c.select.ranked == .matched && c.select.layers == 3)
    #expect(try c.system == nil && !c.yaml().contains("system"))
    #expect(c.arms == [.pretrained, .top, .bottom, .random(seed: 0), .random(seed: 1)])
    #expect(c.train.loraRank == 8 && c.train.loraAlpha == 16 && c.ablate == nil)
    #expect(c.tasks.map(\.kind) == [.captions])
  }

  @Test("the resolved file asks for the same")
  func resolved() throws {
    let text =
      small + """
        arms: [pretrained, top, random-7, all, top-heads]
        system: "Be: terse.\\n"
        prompt: 'What: is "this"?'
        precision: f32
        threads: 3
        seed: 5
        allow_skips: 0.25
        select: {measure: mass, layers: 2, heads: 4}
        train: {steps: 10, lora_rank: 4, lr: 0.002, targets: [q_proj, down_proj], schedule: cosine,
          cache_dir: c, salvage_dir: s}
        generate: {max_new_tokens: 9, beams: 2, repetition_penalty: 1.5, batch: 3}
        ablate: {dataset: k.json, images: i, heads: 3, seeds: [1, 2], limit: 9}
        score_after: [top]
        """
    let c = try configuration(text)
    #expect(c.train.loraAlpha == 8, "twice the rank")
    #expect(c.system == "Be: terse.\n")
    #expect(c.generate.batch == 3)
    #expect(try configuration(c.yaml()) == c)
  }

  @Test("a demonstration brings model and data")
  func demonstration() throws {
    let c = try configuration("output: o\ndemonstration: {train_scenes: 8}\n")
    #expect(c.model == "o/demonstration/model")
    #expect(c.tasks.map(\.kind) == [.captions, .questions])
    #expect(c.tasks[1].train.annotations == "o/demonstration/train/annotations.json")
    #expect(try configuration(c.yaml()) == c)
    let named = try configuration("output: o\ndemonstration: {}\ntasks: {questions: {}}\n")
    #expect(named.tasks.map(\.kind) == [.questions])
  }

  @Test(
    "errors name line and key",
    arguments: [
      ("", "is empty"), ("output: o\n", "model is missing"), ("- a\n", "keys and values"), ("a: [", "is not YAML"),
      (small + "modle: x\n", "e.yaml:8: modle is not a known key"),
      (small + "train: {lrr: 1}\n", "train.lrr"),
      (small + "score: {}\n", "keys to be unique"),
      (small + "seed: -1\n", "seed must be"),
      (small + "precision: f16\n", "must be one of f32, bf16"), (small + "select: {layers: two}\n", "select.layers"),
      (small + "arms: [top, bottom]\n", "does not hold pretrained"),
      (small + "arms: [pretrained]\n", "only pretrained"),
      (small + "arms: [pretrained, best]\n", "holds \"best\""), (small + "arms: pretrained\n", "must be a list"),
      (small + "arms: [pretrained, top, top]\n", "twice"), (small + "score_after: [all]\n", "score_after"),
      (small + "train: {steps: 1, epochs: 1}\n", "give one"),
      (small + "train: {steps: 1, warmup: 2}\n", "warmup is 2; of 1 steps in all"),
      (small + "train: {targets: [x_proj]}\n", "not one of q_proj"),
      (small + "ablate: {heads: 1}\n", "ablate has no dataset"), (small + "threads: 0\n", "threads"),
      (
        small.replacing("k.json, images: i}", with: "k.json, images: i, views: tile}"),
        "must be one of all, tiles, global"
      ),
      (small + "allow_skips: 1.5\n", "allow_skips is 1.5"), (small + "allow_skips: many\n", "allow_skips"),
      (small + "train: {lr: .nan}\n", "train.lr must be a number"),
      (small + "train: {lr: -1}\n", "train is not possible: lr is -1.0; it must be above 0"),
      (small + "train: {dropout: 1}\n", "dropout is 1.0"), (small + "train: {lora_alpha: 0}\n", "lora_alpha is 0.0"),
      (small + "train: {validation_share: 1}\n", "validation_share is 1.0"),
      (small + "threads: 5000\n", "threads is 5000; it must be in 1...4096"),
      (small + "generate: {beams: 65}\n", "e.yaml:8: generate is not possible: beams is 65; it must be in 1...64"),
      (small + "generate: {repetition_penalty: 0}\n", "repetition_penalty is 0.0"),
      (small + "evaluate: {resamples: 9999999}\n", "resamples is 9999999"),
      (small.replacing("k.json, images: i}", with: "k.json, images: i, coverage: 2}"), "coverage is 2.0"),
      (small + "demonstration: {test_scenes: 1000001}\n", "asks for 1000001 scenes"),
      (small + "prompt: ''\n", "prompt is empty"), (small + "prompt: [What?, ' ']\n", "prompt is empty"),
      (small.replacing("output: out", with: "output: ''"), "output is empty; it must be a path"),
      (small.replacing("model: m", with: "model: ''"), "model is empty; it must be a path"),
      (small.replacing("t.json, images: i", with: "'', images: i"), "dataset is empty"),
      ("output: o\nmodel: m\nscore: {dataset: k, images: i}\n", "tasks names nothing"),
      ("output: o\nmodel: m\nscore: {images: i}\n", "score has no dataset"),
    ])
  func wrong(text: String, says: String) throws {
    let error = try #require(throws: ExperimentError.self) { try configuration(text) }
    #expect(error.description.contains(says), "\(error)")
  }

  @Test(
    "more layers or heads than the model has, and equal draws, are found by its numbers alone",
    arguments: [
      ("select: {layers: 99}\n", "select.layers is 99, and the model m has 4 layers: it must be in 1...4"),
      ("select: {layers: 4}\narms: [pretrained, random-0, random-1]\n", "random-0 and random-1 draw the same layers"),
      ("select: {heads: 13}\narms: [pretrained, top-heads]\n", "select.heads is 13"),
      ("ablate: {dataset: k, images: i, heads: [1, 13]}\n", "ablate.heads is 13"),
    ])
  func tooMany(more: String, says: String) throws {
    let c = try configuration(small + more)
    let error = try #require(throws: ExperimentError.self) { try c.checkArms(layers: 4, heads: 3) }
    #expect(error.description.contains(says), "\(error)")
  }

  @Test("arms that choose no layers may ask for any number of them")
  func unasked() throws {
    try configuration(small + "select: {layers: 99, heads: 99}\narms: [pretrained, all]\n").checkArms(
      layers: 4, heads: 3)
  }

  @Test("a new experiment takes the place of an earlier one alone, which stays until the new one is complete")
  func replacing() throws {
    try ScratchFolder.with { scratch in
      let folder = ExperimentFolder(url: scratch.file("out"))
      func write(_ name: String) throws {
        let file = folder.url.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(name.utf8).write(to: file)
      }
      func names(_ url: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
      }
      #expect(try folder.refusal(inputs: [], overwrites: false) == nil)
      try write("hi.h5")
      #expect(try folder.refusal(inputs: [], overwrites: false)?.contains("--overwrite") == true)
      #expect(try folder.refusal(inputs: [], overwrites: true)?.contains("holds no experiment") == true)
      try write("experiment.yaml")
      try write("hi.h5.old-1")
      try write("steps/score.json")
      #expect(try folder.refusal(inputs: [scratch.file("k.json")], overwrites: true) == nil)
      let input = folder.url.appendingPathComponent("selections/../hi.h5")
      #expect(try folder.refusal(inputs: [input], overwrites: true)?.contains("which the experiment reads") == true)
      try write("notes.txt")
      #expect(try folder.refusal(inputs: [], overwrites: true)?.contains("doesn't write (notes.txt)") == true)
      try FileManager.default.removeItem(at: folder.url.appendingPathComponent("notes.txt"))

      let all = try names(folder.url)
      try folder.setAside()
      #expect(try names(folder.url) == ["replaced"] && names(folder.replaced) == all)
      // A second one begins before the first is complete.
      try write("experiment.yaml")
      try write("metrics/captions.json")
      try folder.setAside()
      #expect(try names(folder.url) == ["replaced"] && names(folder.replaced) == all)
      // A process was killed while it moved the files.
      try FileManager.default.removeItem(at: folder.replaced.appendingPathComponent("experiment.yaml"))
      try write("experiment.yaml")
      try folder.setAside()
      #expect(try names(folder.url) == ["replaced"] && names(folder.replaced) == all)
      try folder.removeReplaced()
      #expect(try names(folder.url).isEmpty)
    }
  }

  @Test("what an experiment reads is its files and models, but not the demonstration that it makes")
  func inputs() throws {
    #expect(Set(try configuration(small).inputs.map(\.lastPathComponent)) == ["k.json", "i", "t.json", "v.json", "m"])
    #expect(
      try configuration("output: o\ndemonstration: {}\nmodel: o/model\n").inputs.map(\.lastPathComponent) == ["model"])
  }

  @Test("the experiments that come with the program can be read")
  func shipped() throws {
    let folder = repository.appendingPathComponent("experiments")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
    #expect(files.contains("demo.yaml"))
    for file in files { _ = try ExperimentConfiguration(contentsOf: folder.appendingPathComponent(file)) }
  }

  @Test("the photographs of a demonstration are found in a folder that was moved, others only where they were")
  func pictures() throws {
    try ScratchFolder.with { scratch in
      let folder = ExperimentFolder(url: scratch.file("moved"))
      let images = folder.demonstration.appendingPathComponent("taught/images")
      try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
      let dataset = folder.demonstration.appendingPathComponent("taught/keyobjects.json")
      try Data("{}".utf8).write(to: dataset)
      func found(_ dataset: String, _ images: String) -> [String]? {
        ExperimentPage.pictures(
          of: ExperimentConfiguration.Source(dataset: dataset, annotations: nil, images: images, limit: nil), in: folder
        ).map { [$0.dataset.path, $0.images.path] }
      }
      let moved = [dataset.path, images.path]
      #expect(found("e/demonstration/taught/keyobjects.json", "e/demonstration/taught/images") == moved)
      #expect(found(dataset.path, images.path) == moved)
      #expect(found("keyobjects.json", "images") == nil)
      #expect(found("e/demonstration/taught/other.json", "e/demonstration/taught/images") == nil)
    }
  }

  @Test(
    "an arm's name says which it is",
    arguments: ["pretrained", "top", "bottom", "random-0", "random-18", "all", "top-heads"])
  func arms(name: String) { #expect(Arm(name: name)?.name == name) }
}

@Suite("What an experiment's numbers support")
struct StatementTests {
  /// `top` against pretrained, bottom and random-0.
  private func task(_ intervals: [(Double, Double)]) -> TaskOutcome {
    let baselines = ["pretrained", "bottom", "random-0"]
    return TaskOutcome(
      task: "captions", mainMetric: "CIDEr", metrics: ["CIDEr"], images: 9,
      arms: [TaskOutcome.ArmScores(arm: "pretrained", scores: ["CIDEr": 0.5])],
      comparisons: zip(baselines, intervals).map { baseline, bounds in
        TaskOutcome.Comparison(
          arm: "top", baseline: baseline,
          differences: [
            TaskOutcome.Difference(
              metric: "CIDEr", difference: (bounds.0 + bounds.1) / 2, lower: bounds.0, upper: bounds.1)
          ])
      }, warnings: [])
  }

  private func text(_ intervals: (Double, Double)...) -> String {
    Conclusion.text(tasks: [task(intervals)], ablation: nil, layers: 3)
  }

  @Test("yes only where top does better than pre-trained and than every rival")
  func yes() {
    #expect(text((0.1, 0.2), (0.1, 0.2), (0.01, 0.2)).contains("these data support"))
    #expect(text((0.1, 0.2), (0.1, 0.2), (-0.01, 0.2)).contains("do not settle it"))
  }

  @Test("what adapting changes and whether the choice matters are two findings, which don't contradict each other")
  func findings() {
    let better = text((-0.1, 0.2), (0.1, 0.2), (0.1, 0.2))
    #expect(better.contains("highest Head Impact does not change it significantly: +0.050 [-0.100, +0.200]."))
    #expect(better.contains("do better than bottom (+0.150 [+0.100, +0.200]) and random-0 (+0.150 [+0.100, +0.200])."))
    #expect(better.contains("So it matters which layers are adapted") && better.contains("a gain over the pre-trained"))
    #expect(!better.contains("at all") && !better.contains("support"))
    let harm = text((-0.2, -0.1), (0.1, 0.2), (0.1, 0.2))
    #expect(harm.contains("lowers it: -0.150") && harm.contains("adapting them harms this metric"))
  }

  @Test("no where others do as well, and where they do better")
  func no() {
    #expect(text((0.1, 0.2), (-0.1, 0.2), (-0.1, 0.2)).contains("So no: these data do not show"))
    #expect(
      text((-0.1, 0.2), (-0.1, 0.2), (-0.1, 0.2)).contains("than others; and a gain over the pre-trained model is not"))
    #expect(text((0.1, 0.2), (-0.3, -0.2), (-0.1, 0.2)).contains("So no: here other layers do better"))
    #expect(text((0.1, 0.2)).contains("says nothing about Head Impact"))
  }

  @Test("what rounds to zero is no difference, without a sign")
  func nothing() {
    let none = text((-0.00001, 0.00001), (-0.00002, 0), (0.1, 0.2))
    #expect(none.contains("does not change it significantly: no difference.") && !none.contains("-0.000"), "\(none)")
  }

  @Test("several seeds of training are a mean with the interval of all, and their spread")
  func seeds() {
    func difference(_ value: Double) -> TaskOutcome.Difference {
      TaskOutcome.Difference(metric: "CIDEr", difference: value, lower: value - 0.1, upper: value + 0.1)
    }
    let over = TaskOutcome.Difference(over: [difference(0.25), difference(0.75)])
    #expect((over.difference, over.lower, over.upper) == (0.5, 0.15, 0.85))
    let outcome = TaskOutcome(
      task: "captions", mainMetric: "CIDEr", metrics: ["CIDEr"], images: 9, arms: [],
      comparisons: [
        TaskOutcome.Comparison(
          arm: "top", baseline: "pretrained", differences: [over],
          seeds: [(3, 0.25), (4, 0.75)].map { .init(seed: $0.0, differences: [difference($0.1)]) })
      ], warnings: [])
    let text = Conclusion.text(tasks: [outcome], ablation: nil, layers: 3, seeds: [3, 4])
    #expect(text.contains("raises it: +0.500 [+0.150, +0.850], from +0.250 to +0.750 over 2 training seeds."))
    #expect(text.contains("trained with 2 seeds (3 and 4)"))
  }

  /// `top` against bottom and a random choice, of 2 heads.
  private func ablation(_ intervals: [(String, Double, Double)]) throws -> String {
    let rows = intervals.map { name, lower, upper in
      """
      {"name": "\(name)", "heads": [[0, 1], [1, 0]], "loss": 1, "difference": \((lower + upper) / 2), "lower": \(lower),
       "upper": \(upper), "outcomes": []}
      """
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let document = """
      {"model_name": "m", "images": 4, "samples": 4, "tokens": 9, "loss": 1, "skipped": [], "run": {"parts": []},
       "ablations": [\(rows.joined(separator: ","))]}
      """
    let result = try decoder.decode(AblationResult.self, from: Data(document.utf8))
    return Conclusion.text(tasks: [], ablation: result, layers: 3)
  }

  @Test("an ablation that changes nothing is said to, without zeros, and no intervals overlap that don't")
  func ablation() throws {
    let tiny = try ablation([("top", -0.00001, 0.00002), ("bottom", 0.0001, 0.0003), ("random 0", 0, 0.0001)])
    #expect(tiny.contains("without as many random ones it stays the same"), "\(tiny)")
    #expect(!tiny.contains("0.000") && !tiny.contains("overlap"), "\(tiny)")
    #expect(try ablation([("top", 0.3, 0.5), ("bottom", 0.1, 0.2), ("random 0", 0, 0.1)]).contains("that matter for"))
  }

  @Test("prompts are said to share numbers of heads and layers, not shares")
  func prompts() throws {
    let agreement = try JSONDecoder().decode(
      PromptAgreement.self,
      from: Data(
        """
        {"prompts": ["a", "b", "c"], "heads": 4, "layers": 3, "pairs": [
         {"first": 0, "second": 1, "rankCorrelation": 0.5, "headOverlap": 0, "layerOverlap": 1},
         {"first": 0, "second": 2, "rankCorrelation": 0.5, "headOverlap": 0.75, "layerOverlap": 1}]}
        """.utf8))
    let text = Conclusion.text(tasks: [], ablation: nil, prompts: agreement, layers: 3)
    #expect(text.contains("They share 0 to 3 of the 4 best heads and 3 of the 3 best layers."), "\(text)")
  }

  @Test("exact matches of captions that an older version wrote as shares are read as percent, and others as they are")
  func older() throws {
    func outcome(_ task: String, _ more: String) throws -> TaskOutcome {
      let difference = #"{"metric": "exact_match", "difference": 0.25, "lower": 0.125, "upper": 0.5}"#
      let scores = #""scores": {"CIDEr": 0.5, "exact_match": 0.75}"#
      let document = """
        {"task": "\(task)", "mainMetric": "CIDEr", "metrics": ["CIDEr", "exact_match"], "images": 4, "warnings": [],
         "arms": [{"arm": "top", \(scores), "seeds": [{"seed": 1, \(scores)}]}],
         "comparisons": [{"arm": "top", "baseline": "all", "differences": [\(difference)]}]\(more)}
        """
      return try JSONDecoder().decode(TaskOutcome.self, from: Data(document.utf8))
    }
    let captions = try outcome("captions", "")
    #expect(captions.score("top", "exact_match") == 75 && captions.score("top", "CIDEr") == 0.5)
    #expect(captions.arms[0].seeds?[0].scores["exact_match"] == 75)
    let difference = try #require(captions.difference("top", from: "all", "exact_match"))
    #expect((difference.difference, difference.lower, difference.upper) == (25, 12.5, 50))
    #expect(captions.percent == ["exact_match"])
    let again = try JSONDecoder().decode(TaskOutcome.self, from: JSONEncoder().encode(captions))
    #expect(again == captions)
    #expect(try outcome("questions", "").score("top", "exact_match") == 0.75)
  }

  @Test("without the arm top there is nothing to say of it")
  func withoutTop() {
    let outcome = TaskOutcome(
      task: "captions", mainMetric: "CIDEr", metrics: [], images: 1, arms: [], comparisons: [], warnings: [])
    #expect(Conclusion.text(tasks: [outcome], ablation: nil, layers: 1).contains("No arm adapts the layers"))
  }
}
