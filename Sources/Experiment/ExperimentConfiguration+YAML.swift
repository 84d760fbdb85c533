import Foundation
import HeadImpact
import IO
import ImageInput
import Kernels
import LowRankAdaptation
import RunSupport
import Transformer

extension ExperimentConfiguration {
  /// Reads an experiment's file.
  ///
  /// - Throws: `ExperimentError` naming the file, and in it line and key.
  public init(contentsOf url: URL, output: String? = nil) throws {
    let bytes: [UInt8]
    do { bytes = try InputFile.read(url) } catch { throw ExperimentError("\(error)") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ExperimentError("\(url.path): is not UTF-8 text; save it as UTF-8")
    }
    try self.init(yaml: text, file: url.path, output: output)
  }

  /// Reads an experiment's file.
  ///
  /// - Parameters:
  ///   - text: of the file, which errors call `file`.
  ///   - output: replaces the file's own.
  /// - Throws: `ExperimentError` with line and key, where a key is unknown, missing or of another kind than it must be.
  public init(yaml text: String, file: String, output: String? = nil) throws {
    let root = try YAMLMap(text, file: file)
    let inFile = try root.path("output")
    guard let output = output ?? inFile else { throw root.wrong("output", "is missing: the folder to make") }
    self.output = output
    demonstration = try root.map("demonstration").map(Demonstration.init)
    let bundled = demonstration.map { _ in DemonstrationPaths(output: output) }
    guard let model = try root.path("model") ?? bundled?.model else {
      throw root.wrong("model", "is missing: a model folder, or demonstration for the bundled one")
    }
    self.model = model
    chatTemplate = try root.path("chat_template")
    system = try root.string("system")
    resize = try root.choice("resize", Resizing.self) ?? resize
    precision = try root.choice("precision", Precision.self) ?? precision
    let prompts = try root.oneOrMoreStrings("prompt") ?? [prompt]
    guard let first = prompts.first, Set(prompts).count == prompts.count else {
      throw root.wrong("prompt", prompts.isEmpty ? "is an empty list" : "holds a prompt twice")
    }
    guard prompts.allSatisfy({ !$0.allSatisfy(\.isWhitespace) }) else {
      throw root.wrong("prompt", "is empty; leave it out for \"\(JobDefaults.prompt)\"")
    }
    (prompt, otherPrompts) = (first, Array(prompts.dropFirst()))
    seed = try root.integer("seed", atLeast: 0) ?? seed
    threads = try root.integer("threads")
    allowSkips = try root.number("allow_skips") ?? allowSkips
    guard (0...1).contains(allowSkips) else {
      throw root.wrong("allow_skips", "is \(allowSkips); a share is from 0 to 1")
    }
    score = try Score(root, default: bundled?.score)
    select = try Select(root.map("select"))
    train = try Train(root.map("train"))
    let named = try root.map("tasks")
    tasks = try TaskData.Kind.allCases.compactMap { kind in
      try TaskData(kind, in: named, of: root, default: bundled.map { ($0.train(kind), $0.test(kind)) })
    }
    try named?.finish()
    arms = try Self.arms("arms", of: root) ?? [.pretrained, .top, .bottom, .random(seed: 0), .random(seed: 1)]
    generate = try Generate(root.map("generate"))
    evaluate = try Evaluate(root.map("evaluate"))
    ablate = try Ablate(root.map("ablate"), of: root, default: bundled?.score)
    scoreAfter = try Self.arms("score_after", of: root) ?? []
    try root.finish()
    try validate(root)
  }

  private func validate(_ root: YAMLMap) throws {
    guard !tasks.isEmpty else { throw root.wrong("tasks", "names nothing to train and test on: captions, questions") }
    guard arms.contains(.pretrained) else {
      throw root.wrong("arms", "does not hold pretrained, which every other arm is compared with")
    }
    guard Set(arms).count == arms.count else { throw root.wrong("arms", "holds an arm twice") }
    guard arms.count > 1 else { throw root.wrong("arms", "holds only pretrained: name an arm to compare with it") }
    if let arm = scoreAfter.first(where: { !arms.contains($0) || $0 == .pretrained }) {
      throw root.wrong("score_after", "holds \(arm.name), which is not a trained arm of this experiment")
    }
    try checkNumbers(root)
  }

  private static func arms(_ key: String, of root: YAMLMap) throws -> [Arm]? {
    try root.strings(key).map { names in
      try names.map { name in
        guard let arm = Arm(name: name) else {
          throw root.wrong(
            key, "holds \"\(name)\"; the arms are pretrained, top, bottom, random-SEED, all, top-heads")
        }
        return arm
      }
    }
  }
}

/// Where the bundled model and the drawn scenes are in an experiment's folder.
struct DemonstrationPaths {
  let output: String

  private func path(_ parts: String...) -> String { ([output, "demonstration"] + parts).joined(separator: "/") }
  var model: String { path("model") }

  var score: ExperimentConfiguration.Source {
    ExperimentConfiguration.Source(
      dataset: path("taught", "keyobjects.json"), annotations: nil, images: path("taught", "images"), limit: nil)
  }

  func train(_ kind: ExperimentConfiguration.TaskData.Kind) -> ExperimentConfiguration.Source { source(kind, "train") }
  func test(_ kind: ExperimentConfiguration.TaskData.Kind) -> ExperimentConfiguration.Source { source(kind, "test") }

  private func source(_ kind: ExperimentConfiguration.TaskData.Kind, _ split: String) -> ExperimentConfiguration.Source
  {
    ExperimentConfiguration.Source(
      dataset: path(split, kind == .captions ? "captions.json" : "questions.json"),
      annotations: kind == .captions ? nil : path(split, "annotations.json"), images: path(split, "images"), limit: nil)
  }
}

extension ExperimentConfiguration.Demonstration {
  fileprivate init(_ map: YAMLMap) throws {
    trainScenes = try map.integer("train_scenes") ?? trainScenes
    testScenes = try map.integer("test_scenes") ?? testScenes
    shifted = try map.flag("shifted") ?? shifted
    try map.finish()
  }
}

extension ExperimentConfiguration.Source {
  /// - Parameter defaults: used for every key that the map lacks.
  fileprivate init(_ map: YAMLMap?, default defaults: Self?, missing: (String) -> ExperimentError) throws {
    guard let dataset = try map?.path("dataset") ?? defaults?.dataset else { throw missing("dataset") }
    guard let images = try map?.path("images") ?? defaults?.images else { throw missing("images") }
    (self.dataset, self.images) = (dataset, images)
    annotations = try map?.path("annotations") ?? (try map?.string("dataset") == nil ? defaults?.annotations : nil)
    limit = try map?.integer("limit") ?? defaults?.limit
  }
}

extension ExperimentConfiguration.Score {
  fileprivate init(_ root: YAMLMap, default defaults: ExperimentConfiguration.Source?) throws {
    let map = try root.map("score")
    source = try ExperimentConfiguration.Source(map, default: defaults) {
      root.wrong("score", "has no \($0): the key objects to measure Head Impact on")
    }
    guard let map else { return }
    options.coverage = try map.number("coverage") ?? options.coverage
    options.query = try map.choice("query", HeadImpactOptions.Query.self) ?? options.query
    options.normalize = try map.choice("normalize", HeadImpactOptions.Normalize.self) ?? options.normalize
    options.views = try map.choice("views", HeadImpactOptions.Views.self) ?? options.views
    options.sinkFactor = try map.number("sink_factor") ?? options.sinkFactor
    options.bootstrapResamples = try map.integer("bootstrap") ?? options.bootstrapResamples
    try map.finish()
  }
}

extension ExperimentConfiguration.Select {
  fileprivate init(_ map: YAMLMap?) throws {
    guard let map else { return }
    ranked.measure = try map.choice("measure", Measure.self) ?? ranked.measure
    ranked.isCorrected = try map.flag("corrected") ?? ranked.isCorrected
    layers = try map.integer("layers") ?? layers
    heads = try map.integer("heads") ?? heads
    try map.finish()
  }
}

extension ExperimentConfiguration.TaskData {
  /// - Returns: nil if the file names tasks, and this isn't among them.
  fileprivate init?(
    _ kind: Kind, in tasks: YAMLMap?, of root: YAMLMap,
    default defaults: (train: ExperimentConfiguration.Source, test: ExperimentConfiguration.Source)?
  ) throws {
    let map = try tasks?.map(kind.rawValue)
    guard map != nil || tasks == nil && defaults != nil else { return nil }
    self.kind = kind
    func source(_ key: String, _ defaults: ExperimentConfiguration.Source?) throws -> ExperimentConfiguration.Source {
      let part = try map?.map(key)
      let source = try ExperimentConfiguration.Source(part, default: defaults) {
        (map ?? root).wrong(key, "has no \($0)")
      }
      try part?.finish()
      return source
    }
    train = try source("train", defaults?.train)
    test = try source("test", defaults?.test)
    references = try map?.path("references")
    try map?.finish()
  }
}

extension ExperimentConfiguration.Train {
  fileprivate init(_ map: YAMLMap?) throws {
    guard let map else { return }
    let epochs = try map.integer("epochs")
    steps = try map.integer("steps")
    if epochs != nil, steps != nil { throw map.wrong("steps", "and epochs are both given; give one") }
    self.epochs = epochs ?? self.epochs
    batch = try map.integer("batch") ?? batch
    microBatch = try map.integer("micro_batch") ?? microBatch
    learningRate = try map.number("lr") ?? learningRate
    schedule = try map.choice("schedule", LearningRateSchedule.Shape.self) ?? schedule
    warmup = try map.integer("warmup", atLeast: 0) ?? warmup
    clip = try map.number("clip") ?? clip
    weightDecay = try map.number("weight_decay") ?? weightDecay
    loraRank = try map.integer("lora_rank") ?? loraRank
    loraAlpha = try map.number("lora_alpha") ?? 2 * Double(loraRank)
    dropout = try map.number("dropout") ?? dropout
    targets =
      try map.strings("targets").map { names in
        try names.map { name in
          guard let projection = Projection(rawValue: name) else {
            let all = Projection.allCases.map(\.rawValue).joined(separator: ", ")
            throw map.wrong("targets", "holds \"\(name)\", which is not one of \(all)")
          }
          return projection
        }
      } ?? targets
    validationShare = try map.number("validation_share") ?? validationShare
    cacheMemoryMB = try map.integer("cache_memory_mb", atLeast: 0) ?? cacheMemoryMB
    seeds = try map.oneOrMoreIntegers("seeds", atLeast: 0) ?? seeds
    guard Set(seeds).count == seeds.count else { throw map.wrong("seeds", "holds a seed twice") }
    cacheFolder = try map.path("cache_dir")
    salvageFolder = try map.path("salvage_dir")
    try map.finish()
  }
}

extension ExperimentConfiguration.Generate {
  fileprivate init(_ map: YAMLMap?) throws {
    guard let map else { return }
    maxNewTokens = try map.integer("max_new_tokens") ?? maxNewTokens
    beams = try map.integer("beams") ?? beams
    repetitionPenalty = try map.number("repetition_penalty")
    batch = try map.integer("batch", atLeast: 1) ?? batch
    try map.finish()
  }
}

extension ExperimentConfiguration.Evaluate {
  fileprivate init(_ map: YAMLMap?) throws {
    guard let map else { return }
    resamples = try map.integer("resamples") ?? resamples
    try map.finish()
  }
}

extension ExperimentConfiguration.Ablate {
  /// - Returns: nil if the file doesn't ask for it.
  fileprivate init?(
    _ map: YAMLMap?, of root: YAMLMap, default defaults: ExperimentConfiguration.Source?
  ) throws {
    guard let map else { return nil }
    source = try ExperimentConfiguration.Source(map, default: defaults) { root.wrong("ablate", "has no \($0)") }
    heads = try map.oneOrMoreIntegers("heads", atLeast: 1)?.sorted() ?? heads
    seeds = try map.integers("seeds") ?? seeds
    try map.finish()
    guard !heads.isEmpty, Set(heads).count == heads.count else {
      throw map.wrong("heads", heads.isEmpty ? "is an empty list" : "holds a number twice")
    }
    if let seed = seeds.first(where: { $0 < 0 }) { throw map.wrong("seeds", "holds \(seed); seeds start at 0") }
  }
}
