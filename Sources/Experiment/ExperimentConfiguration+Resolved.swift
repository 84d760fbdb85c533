import Foundation
import IO
import Yams

extension ExperimentConfiguration {
  /// The configuration as a file that asks for the same, every default in its place.
  ///
  /// - Throws: if it can't be written as YAML.
  public func yaml() throws -> String {
    try Yams.serialize(
      node: map([
        ("output", output),
        (
          "demonstration",
          demonstration.map { demonstration in
            try map([
              ("train_scenes", demonstration.trainScenes), ("test_scenes", demonstration.testScenes),
              ("shifted", demonstration.shifted),
            ])
          }
        ),
        ("model", model), ("chat_template", chatTemplate), ("system", system), ("resize", resize.rawValue),
        ("precision", precision.rawValue), ("prompt", otherPrompts.isEmpty ? prompt : nil),
        ("prompt", otherPrompts.isEmpty ? nil : [prompt] + otherPrompts), ("seed", seed), ("threads", threads),
        ("allow_skips", number(allowSkips)),
        ("score", map(score.pairs)),
        (
          "select",
          map([
            ("measure", select.ranked.measure.rawValue), ("corrected", select.ranked.isCorrected ? true : nil),
            ("layers", select.layers), ("heads", select.heads),
          ])
        ),
        ("tasks", map(tasks.map { ($0.kind.rawValue, try map($0.pairs)) })),
        ("arms", arms.map(\.name)), ("train", map(train.pairs)),
        (
          "generate",
          map([
            ("max_new_tokens", generate.maxNewTokens), ("beams", generate.beams),
            ("repetition_penalty", generate.repetitionPenalty.map(number)), ("batch", generate.batch),
          ])
        ),
        ("evaluate", map([("resamples", evaluate.resamples)])),
        (
          "ablate",
          ablate.map {
            try map(
              $0.source.pairs + [
                ("heads", $0.heads.count == 1 ? $0.heads[0] : nil), ("heads", $0.heads.count == 1 ? nil : $0.heads),
                ("seeds", $0.seeds),
              ])
          }
        ),
        ("score_after", scoreAfter.map(\.name)),
      ]))
  }
}

private typealias Pairs = [(key: String, value: (any NodeRepresentable)?)]

/// - Returns: the mapping of those that have a value.
private func map(_ pairs: Pairs) throws -> Node {
  let nodes: [(Node, Node)] = try pairs.compactMap { key, value in
    try value.map { (Node(key), try $0.represented()) }
  }
  return Node(nodes)
}

/// Yams writes 0.5 as 5e-1.
private func number(_ value: Double) -> Node { Node("\(value)") }

extension ExperimentConfiguration.Source {
  fileprivate var pairs: Pairs {
    [("dataset", dataset), ("annotations", annotations), ("images", images), ("limit", limit)]
  }
}

extension ExperimentConfiguration.Score {
  fileprivate var pairs: Pairs {
    source.pairs + [
      ("coverage", number(options.coverage)), ("query", options.query.rawValue),
      ("normalize", options.normalize.rawValue),
      ("views", options.views.rawValue), ("sink_factor", number(options.sinkFactor)),
      ("bootstrap", options.bootstrapResamples),
    ]
  }
}

extension ExperimentConfiguration.TaskData {
  fileprivate var pairs: Pairs {
    get throws { [("train", try map(train.pairs)), ("test", try map(test.pairs)), ("references", references)] }
  }
}

extension ExperimentConfiguration.Train {
  fileprivate var pairs: Pairs {
    [
      ("epochs", steps == nil ? epochs : nil), ("steps", steps), ("batch", batch), ("micro_batch", microBatch),
      ("seeds", seeds.isEmpty ? nil : seeds), ("lr", number(learningRate)), ("schedule", schedule.rawValue),
      ("warmup", warmup), ("clip", number(clip)),
      ("weight_decay", number(weightDecay)), ("lora_rank", loraRank), ("lora_alpha", number(loraAlpha)),
      ("dropout", number(dropout)),
      ("targets", targets.map(\.rawValue)), ("validation_share", number(validationShare)),
      ("cache_memory_mb", cacheMemoryMB),
      ("cache_dir", cacheFolder), ("salvage_dir", salvageFolder),
    ]
  }
}

extension ExperimentConfiguration {
  /// The folder of `model`, or ORG/NAME of the Hub's cache.
  ///
  /// - Throws: `UnknownModel`.
  func modelFolder() throws -> URL { try HubCache().model(model) }
}
