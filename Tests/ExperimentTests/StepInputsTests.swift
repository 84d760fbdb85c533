import Foundation
import HeadImpact
import RunSupport
import Testing

@testable import Experiment

/// The text that a step's fingerprint is made of is a format: whoever changes it repeats every training of every user.
@Suite("What a step of an experiment depends on")
struct StepInputsTests {
  private func configuration(
    _ more: String = "", prompt: String = #""Say = \\ it\nnow""#
  ) throws -> ExperimentConfiguration {
    try ExperimentConfiguration(
      yaml: """
        output: /e/out
        demonstration: {train_scenes: 8, test_scenes: 4}
        prompt: \(prompt)
        seed: 5
        score: {coverage: 0.25, limit: 9}
        select: {measure: mass, layers: 2, heads: 4}
        arms: [pretrained, top, random-7]
        train: {steps: 10, lr: 0.00002, lora_rank: 4\(more)}
        ablate: {heads: 3, seeds: [1, 2]}
        """, file: "e.yaml")
  }

  private let arm = ArmLayers(.top, layers: [1, 3], heads: [])
  private let budget = ArmBudget(loraRank: 4, loraAlpha: 8, trainedParameters: 9, modelParameters: 99)

  private func texts(_ c: ExperimentConfiguration) throws -> [String] {
    let task = c.tasks[0]
    return [
      c.demonstrationInputs(try #require(c.demonstration)), c.scoreInputs(model: "M", data: "D"),
      c.scoreInputs(step: "score after captions/top", model: "M", data: "D", adapter: "A"), c.selectInputs(after: "S"),
      c.trainInputs(
        step: "train captions/top", task.train, arm: arm, budget: budget, model: "M", data: "D", after: "L"),
      c.generateInputs(step: "generate captions/top", task.test, model: "M", data: "D", adapter: "A"),
      c.evaluateInputs(step: "evaluate captions", results: ["P", "T", "R"], references: ["F", "G"]),
      c.ablateInputs(try #require(c.ablate), model: "M", data: "D", after: "S"),
    ].map { $0.text.replacing("program_version=\(JobDefaults.programVersion)\n", with: "") }
  }

  @Test("it is written out, with its own names and values")
  func text() throws {
    let common = #"prompt=Say = \\ it\nnow"# + "\nprecision=bf16\nresize=torchvision\nseed=5\n"
    let scored =
      "coverage=0.25\nquery=token\nnormalize=none\nviews=all\nsink_factor=10.0\nbootstrap=1000\n"
    let scenes = "data=D\nimages=OUTPUT/demonstration/taught/images\nlimit=9\n"
    #expect(
      try texts(configuration()) == [
        "step=demonstration\ntrain_scenes=8\ntest_scenes=4\nshifted=true\n",
        "step=score\nmodel=M\nadapter=none\n" + scenes + common + scored,
        "step=score after captions/top\nmodel=M\nadapter=A\n" + scenes + common + scored,
        "step=select\nscore=S\nmeasure=mass\nlayers=2\nheads=4\narms=pretrained,top,random-7\n",
        "step=train captions/top\nmodel=M\nselect=L\ndata=D\nimages=OUTPUT/demonstration/train/images\nlimit=none\n"
          + common
          + "layers=1,3\nheads=\ntargets=q_proj,k_proj,v_proj,o_proj\nlora_rank=4\nlora_alpha=8.0\ndropout=0.0\n"
          + "length=10 steps\nbatch=8\nmicro_batch=1\nlr=2e-05\nschedule=constant\nwarmup=0\nclip=1.0\nweight_decay=0.0\n"
          + "validation_share=0.0\n",
        "step=generate captions/top\nmodel=M\nadapter=A\ndata=D\nimages=OUTPUT/demonstration/test/images\nlimit=none\n"
          + common + "max_new_tokens=64\nbeams=1\nrepetition_penalty=the model's\n",
        "step=evaluate captions\nresults of pretrained=P\nresults of top=T\nresults of random-7=R\nreferences=F G\n"
          + "resamples=1000\nseed=5\n",
        "step=ablate\nmodel=M\nscore=S\ndata=D\nimages=OUTPUT/demonstration/taught/images\nlimit=none\n" + common
          + "measure=mass\nheads=3\nseeds=1,2\n",
      ])
  }

  @Test(
    "what changes no number is not part of it: memory, folders of caches, threads, pictures at once, skips that are allowed"
  )
  func indifferent() throws {
    var other = try configuration(", cache_memory_mb: 1, cache_dir: c, salvage_dir: s")
    other.threads = 3
    other.allowSkips = 0.5
    other.generate.batch = 3
    #expect(try texts(other) == texts(configuration()))
  }

  @Test("what changes a number is", arguments: ["batch: 9", "micro_batch: 2", "dropout: 0.1", "lora_alpha: 4"])
  func different(option: String) throws {
    let before = try texts(configuration())
    let changed = try configuration(", \(option)")
    // The budget holds alpha, as experiments work it out.
    let budget = ArmBudget(
      loraRank: 4, loraAlpha: changed.train.loraAlpha, trainedParameters: 9, modelParameters: 99)
    let text = changed.trainInputs(
      step: "train captions/top", changed.tasks[0].train, arm: arm, budget: budget, model: "M", data: "D", after: "L")
    #expect(!before.contains(text.text.replacing("program_version=\(JobDefaults.programVersion)\n", with: "")))
  }

  @Test("another seed or prompt changes only the steps that use it")
  func seedsAndPrompts() throws {
    let (plain, many) = (
      try configuration(), try configuration(", seeds: [5, 6]", prompt: #"["Say = \\ it\nnow", "What?"]"#)
    )
    let task = plain.tasks[0]
    func train(_ c: ExperimentConfiguration, seed: Int) -> String {
      c.trainInputs(step: "t", task.train, arm: arm, budget: budget, seed: seed, model: "M", data: "D", after: "L").text
    }
    #expect(many.trainingSeeds == [5, 6] && many.otherPrompts == ["What?"])
    #expect(train(plain, seed: 5) == train(many, seed: 5))
    let (first, second) = (train(many, seed: 5), train(many, seed: 6))
    #expect(second != first && second.replacing("training_seed=6\n", with: "") == first)
    #expect(many.scoreInputs(model: "M", data: "D").text == plain.scoreInputs(model: "M", data: "D").text)
    let other = many.scoreInputs(step: "score prompt-2", model: "M", data: "D", prompt: "What?").text
    #expect(other.contains("\nprompt=What?\n"))
    #expect(
      many.evaluateInputs(step: "e", results: ["P", "T", "T6", "R", "R6"], references: []).text
        .contains("results of top=T\nresults of top-seed-6=T6\nresults of random-7=R\n"))
    #expect(try ExperimentConfiguration(yaml: many.yaml(), file: "again.yaml") == many)
  }

  @Test(
    "an empty list, a prompt twice and a seed below 0 are refused",
    arguments: [
      ("prompt: []\n", "empty list"), ("prompt: [a, a]\n", "twice"), ("train: {seeds: [-1]}\n", "at least 0"),
      ("train: {seeds: [1, 1]}\n", "twice"),
    ])
  func refused(line: String, words: String) throws {
    let error = try #require(throws: ExperimentError.self) {
      _ = try ExperimentConfiguration(yaml: "output: o\ndemonstration: {}\n" + line, file: "e.yaml")
    }
    #expect(error.description.contains(words), "\(error)")
  }
}
