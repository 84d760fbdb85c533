import COCO
import ChatTemplate
import Experiment
import Foundation
import HDF5Store
import HeadImpact
import ImageInput
import JSON
import Jobs
import Kernels
import LowRankAdaptation
import MessagePassing
import RunSupport
import Safetensors
import Tokenization

@testable import Generation
@testable import Scoring
@testable import VisionLanguage

/// Every reader of what comes from elsewhere, a file or another rank, by name.
let fuzzTargets: [String: @Sendable () throws -> FuzzTarget] = [
  // In one piece and in runs of a few bytes, which must find the same.
  "json": {
    { bytes in
      func read(_ window: Int) throws -> JSONValue? {
        var rules = JSONReader.Rules()
        rules.window = window
        do { return try JSONReader.read(bytes, rules: rules) { try $0.readValue() } } catch is JSONError { return nil }
      }
      let whole = try read(1 << 16)
      for window in [1, 7, 32] {
        guard try read(window) == whole else { preconditionFailure("runs of \(window) bytes are read otherwise") }
      }
      try JSONReader.read(bytes, rules: .init(isLenient: true)) { _ = try $0.skipValue() }
    }
  },
  "safetensors": {
    let input = InputInMemory()
    return { bytes in
      try input.set(bytes)
      _ = try SafetensorsFile(contentsOf: input.url)
    }
  },
  "safetensors-index": {
    try inFolder(replacing: "model.safetensors.index.json") { _ = try SafetensorsCheckpoint(folder: $0) }
  },
  "tokenizer": {
    try inFolder(replacing: "tokenizer.json") { folder in
      let tokenizer = try Tokenizer(contentsOf: folder)
      let encoding = try tokenizer.encode("<|im_start|>A dog's naïve 犬 of 42!\n")
      _ = tokenizer.decode(encoding.ids.map(Int.init), skipSpecialTokens: true)
    }
  },
  "tokenizer-config": { try inFolder(replacing: "tokenizer_config.json") { _ = try Tokenizer(contentsOf: $0) } },
  "chat-template": {
    let messages: TemplateValue = [
      ["role": "system", "content": "Be brief."],
      ["role": "user", "content": [["type": "image"], ["type": "text", "text": " What's this? "]]],
      ["role": "assistant", "content": [["type": "text", "text": "A dog\u{0301}."]]],
    ]
    let variables: TemplateDictionary = [
      "messages": messages, "add_generation_prompt": true, "bos_token": "<s>",
    ]
    return { bytes in
      let template = try ChatTemplate(source: String(decoding: bytes, as: UTF8.self), name: "input")
      _ = try template.render(variables)
    }
  },
  "generation-config": {
    let folder = URL(fileURLWithPath: ProcessInfo.processInfo.environment["FUZZ_FOLDER"] ?? "")
    let tokenizer = try Tokenizer(contentsOf: folder)
    let config = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    return try inFolder(replacing: "generation_config.json") {
      _ = try GenerationDefaults(folder: $0, config: config, tokenizer: tokenizer, specialTokens: [])
    }
  },
  "config": {
    try inFolder(replacing: "config.json") {
      _ = try Qwen2VLConfiguration(contentsOf: $0.appendingPathComponent("config.json"))
    }
  },
  "processor": {
    try inFolder(replacing: "processor_config.json") {
      _ = try ProcessorInFolder($0) { try Qwen2VLImageProcessor($0, resizing: .torchvision) }
    }
  },
  "preprocessor": {
    try inFolder(replacing: "preprocessor_config.json") {
      _ = try ProcessorInFolder($0) { try Qwen2VLImageProcessor($0, resizing: .torchvision) }
    }
  },
  "smolvlm-config": {
    try inFolder(replacing: "config.json") {
      _ = try SmolVLMConfiguration(ConfigurationFile(contentsOf: $0.appendingPathComponent("config.json")))
    }
  },
  "smolvlm-preprocessor": {
    try inFolder(replacing: "preprocessor_config.json") { folder in
      let model = try SmolVLMConfiguration(
        ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")))
      let read = try ProcessorInFolder(folder) { try SmolVLMImageProcessor($0, for: model, resizing: .torchvision) }
      _ = try read.processor.layout(width: 3, height: 200)
    }
  },
  "qwen3-vl-config": {
    try inFolder(replacing: "config.json") {
      _ = try Qwen3VLConfiguration(ConfigurationFile(contentsOf: $0.appendingPathComponent("config.json")))
    }
  },
  "internvl-config": {
    try inFolder(replacing: "config.json") {
      _ = try InternVLConfiguration(ConfigurationFile(contentsOf: $0.appendingPathComponent("config.json")))
    }
  },
  "internvl-preprocessor": {
    try inFolder(replacing: "preprocessor_config.json") { folder in
      let model = try InternVLConfiguration(
        ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")))
      let read = try ProcessorInFolder(folder) { try InternVLImageProcessor($0, for: model, resizing: .torchvision) }
      _ = try read.processor.layout(width: 3, height: 200)
    }
  },
  "paligemma-config": {
    try inFolder(replacing: "config.json") {
      _ = try PaliGemmaConfiguration(ConfigurationFile(contentsOf: $0.appendingPathComponent("config.json")))
    }
  },
  "paligemma-preprocessor": {
    try inFolder(replacing: "preprocessor_config.json") { folder in
      let model = try PaliGemmaConfiguration(
        ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")))
      let read = try ProcessorInFolder(folder) {
        try PaliGemmaModel.processor($0, for: model.vision, resizing: .torchvision)
      }
      _ = try read.processor.layout(width: 3, height: 200)
    }
  },
  "llava-config": {
    try inFolder(replacing: "config.json") {
      _ = try LlavaConfiguration(ConfigurationFile(contentsOf: $0.appendingPathComponent("config.json")))
    }
  },
  "llava-preprocessor": {
    try inFolder(replacing: "preprocessor_config.json") { folder in
      let model = try LlavaConfiguration(
        ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")))
      let read = try ProcessorInFolder(folder) { try LlavaImageProcessor($0, for: model, resizing: .torchvision) }
      _ = try read.processor.layout(width: 3, height: 200)
    }
  },
  "qwen2.5-vl-config": {
    try inFolder(replacing: "config.json") {
      _ = try Qwen25VLConfiguration(ConfigurationFile(contentsOf: $0.appendingPathComponent("config.json")))
    }
  },
  "adapter-config": {
    let model = try demonstrationModel()
    return try inFolder(replacing: "adapter_config.json") {
      _ = try PEFTAdapter.load(folder: $0, for: model)
    }
  },
  "adapter": {
    let model = try demonstrationModel()
    return try inFolder(replacing: "adapter_model.safetensors") {
      _ = try PEFTAdapter.load(folder: $0, for: model)
    }
  },
  "dataset": {
    { bytes in
      let dataset = try KeyObjectDataset(json: Data(bytes), name: "input")
      for annotation in dataset.annotations {
        do { _ = try dataset.mask(for: annotation).area } catch let error as COCOError { _ = "\(error)" }
      }
    }
  },
  "image-text": { { bytes in _ = try ImageTextDataset(json: bytes, name: "input") { ["a.jpg"] } } },
  "captions": { { bytes in _ = try CaptionReferences(json: bytes, name: "input") } },
  "questions": { { bytes in _ = try AnsweredQuestions(json: bytes, name: "input") } },
  "results": { { bytes in _ = try GeneratedTexts(json: bytes, name: "input", kind: .captions) } },
  "image": { { bytes in _ = try decodeImage(bytes, name: "input") } },
  "journal": {
    let input = InputInMemory()
    let identity = RunIdentity([("model", "a")])
    return { bytes in
      try input.set(bytes)
      for salvages in [true, false] {
        try input.set(bytes)
        _ = try Journal.resume(
          at: input.url, identity: identity, salvages: salvages, decode: { ($0.count, $0) }, visit: { _ in })
      }
    }
  },
  // A message that is read is the one that was sent.
  "rank-message": {
    { bytes in
      if let message = taking({ try WorkMessage(bytes, from: 1) }) {
        guard message.bytes == bytes else { preconditionFailure("\(message) is another message") }
      }
      if let item = taking({ try WorkItem.decode(bytes, at: 1) }) ?? nil {
        guard item.bytes == bytes else { preconditionFailure("unit \(item.unit) is another one") }
      }
    }
  },
  // What is read and written again is the same.
  "unit": {
    { bytes in
      if let unit = taking({ try ScoringUnit(decoding: bytes) }) {
        for annotation in unit.annotations {
          _ = taking { try unit.objects.mask(for: annotation, height: 16, width: 16).area }
        }
      }
      _ = taking { try AblationUnit(decoding: bytes) }
      _ = taking { try GenerationUnit(decoding: bytes) }
      _ = taking { try ImageTextDataset(decoding: bytes) }
    }
  },
  "unit-result": {
    { bytes in
      if let result = taking({ try UnitResult(decoding: bytes) }) {
        guard try UnitResult(decoding: result.encode()).encode() == result.encode() else {
          preconditionFailure("the result of image \(result.imageID) is another one when it is read again")
        }
      }
      _ = taking { try UnitLosses(decoding: bytes, ablations: 2).skipped }
      _ = taking { try GenerationResult(decoding: bytes).skipped }
    }
  },
  "shard": {
    let input = InputInMemory()
    return { bytes in
      try input.set(bytes)
      let file = try ShardFile(input.url)
      _ = "\(file.manifest.skips.text ?? "") \(file.manifest.shard)"
      _ = taking { try ScoringProvenance(decoding: Array(file.manifest.content.utf8)) }
      _ = try ShardSet<UnitResult>(
        [input.url], of: URL(fileURLWithPath: "/hi.h5"), decode: { try UnitResult(decoding: $0) }, visit: { _ in })
    }
  },
  "hi": {
    let input = InputInMemory()
    return { bytes in
      try input.set(bytes)
      try HeadImpactFile.open(input.url) { reader in
        try reader.forEachSampleWithChance { _, _, _ in }
        for sample in reader.samples {
          _ = try reader.tokenMask(of: sample)
          _ = try reader.scores(of: sample)
        }
      }
    }
  },
  "experiment": {
    let input = InputInMemory()
    return { bytes in
      try input.set(bytes)
      _ = try ExperimentConfiguration(contentsOf: input.url, output: "out")
    }
  },
]

/// One of several readers of the same bytes: nil if they are nothing of its own.
private func taking<Value>(_ read: () throws -> Value) -> Value? {
  do { return try read() } catch {
    _ = "\(error)".utf8.count
    return nil
  }
}

/// Runs `body` on copies of the folder FUZZ_FOLDER in which one file is the input.
private func inFolder(replacing name: String, _ body: @escaping (URL) throws -> Void) throws -> FuzzTarget {
  let input = InputInMemory()
  let template = ProcessInfo.processInfo.environment["FUZZ_FOLDER"].map { URL(fileURLWithPath: $0) }
  let folder = try input.standing(for: name, in: template)
  return { bytes in
    try input.set(bytes)
    try body(folder)
  }
}

private func demonstrationModel() throws -> any VisionLanguageModel {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../../Sources/Demonstration/Model").standardizedFileURL
  return try ModelRegistry.load(
    folder: folder, backend: try CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
}
