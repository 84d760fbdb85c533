import COCO
import Foundation
import IO
import JSON
import RunSupport
import Safetensors
import VisionLanguage

extension DatasetBuilder {
  /// Writes all parts to temporary files, then renames each.
  func write(
    _ objects: [KeyObjectSelection.KeyObject], of choice: Choice
  ) throws -> [Summary.Output] {
    let info = try infoJSON(choice)
    var prepared: [AtomicFile] = []
    var outputs: [Summary.Output] = []
    do {
      for (part, url) in configuration.outputs {
        let own = objects.filter { part == nil || rules.split?.part(of: $0.image.id, seed: rules.seed) == part }
        prepared.append(
          try AtomicFile(preparing: choice.instances.json(of: own.map(\.described), info: info), for: url))
        outputs.append(
          Summary.Output(path: url.path, images: Set(own.map(\.image.id)).count, objects: own.count))
      }
      for file in prepared { try file.commit() }
    } catch {
      for file in prepared { file.discard() }
      throw error
    }
    return outputs
  }

  // MARK: - Which build it is

  /// Everything that the outputs depend on, and nothing else.
  func identity() throws -> RunIdentity {
    func sha256(_ file: URL?) throws -> String {
      guard let file else { return "none" }
      do { return try SHA256.hex(ofFile: file) } catch { throw KeyObjectError("\(error)") }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let weights = try configuration.model.map { try SafetensorsCheckpoint(folder: $0) }
    let describes = rules.describe == .model
    let describing = describes ? configuration.describing : nil
    let files = try configuration.model.map {
      try ModelFiles(folder: $0, chatTemplate: configuration.input.chatTemplate, generates: describes).parts
    }
    return RunIdentity(
      [
        ("program version", JobDefaults.programVersion), ("--instances (SHA-256)", try sha256(configuration.instances)),
        ("--captions (SHA-256)", try sha256(configuration.captions)),
        ("--model (SHA-256)", try weights?.headerDigest() ?? "none"),
        ("sampled weights (SHA-256)", try weights?.sampleDigest() ?? "none"),
        ("rules", String(decoding: try encoder.encode(rulesInfo), as: UTF8.self)),
        ("--objects", describing?.objects ?? "none"), ("--prompt", describing?.prompt ?? "none"),
        ("--precision", describing?.precision ?? "none"),
        ("--resize", describing.map { _ in configuration.input.resizing.rawValue } ?? "none"),
      ] + (describing.flatMap { _ in configuration.input.system }.map { [("--system", $0)] } ?? []) + (files ?? []))
  }

  /// What a finished build made; nil if there is none to continue from.
  ///
  /// - Throws: if an existing output is of another build, or of an unknown one.
  func finished(_ run: RunIdentity) throws -> Summary? {
    guard configuration.resumes else { return nil }
    let there = configuration.outputs.map(\.url).filter { FileManager.default.fileExists(atPath: $0.path) }
    for url in there { try origin(of: url).requireSame(as: run, finished: url) }
    guard there.count == configuration.outputs.count else { return nil }
    let outputs = try there.map { url in
      let dataset = try KeyObjectDataset(contentsOf: url)
      return Summary.Output(
        path: url.path, images: Set(dataset.annotations.map(\.imageID)).count, objects: dataset.annotations.count)
    }
    try removeWork()
    return Summary(
      outputs: outputs, examined: 0, imagesWithoutCaption: nil, leftOut: [], categories: [], descriptions: [],
      skips: nil, isNew: false)
  }

  /// The run that an output is of, according to its `info.run`.
  private func origin(of url: URL) throws -> RunIdentity {
    let bytes = try JobInputs.read(url)
    do {
      if let run = try Self.value(of: "run", inInfoOf: bytes) {
        return try JSONDecoder().decode(RunIdentity.self, from: Data(bytes[run]))
      }
    } catch is JSONError {
      throw KeyObjectError("\(url.path): is not a key-object dataset; choose another --output")
    } catch is DecodingError {}  // a run that is none says as little as none
    throw KeyObjectError(
      "\(url.path): already exists, and its info.run does not identify its build; choose another --output, or remove it"
    )
  }

  /// With `--overwrite`, only what a build made is replaced: not the instances, though they are given by mistake.
  ///
  /// - Throws: `KeyObjectError` if the file is none of a build's.
  func checkReplaceable(_ url: URL) throws {
    func refusal(_ what: String) -> KeyObjectError {
      KeyObjectError("\(url.path): is \(what), so --overwrite doesn't replace it; choose another --output")
    }
    let inputs = [configuration.instances, configuration.captions].compactMap { $0?.place }
    guard !inputs.contains(url.place) else { throw refusal("an input of dataset build") }
    let foreign = refusal("no output of dataset build")
    do {
      guard try Self.value(of: "key_object_rules", inInfoOf: JobInputs.read(url)) != nil else { throw foreign }
    } catch is JSONError { throw foreign }
  }

  /// Where an object of a dataset's `info` is; nil if there is none.
  private static func value(of name: StaticString, inInfoOf bytes: [UInt8]) throws -> Range<Int>? {
    var found: Range<Int>?
    try JSONReader.read(bytes, rules: .init(isLenient: true)) { reader in
      try reader.readObject { reader, key in
        guard key.isSame(as: "info"), reader.peek() == .object else {
          try reader.skipValue()
          return
        }
        try reader.readObject { reader, key in
          let isSought = key.isSame(as: name) && reader.peek() == .object
          let value = try reader.skipValue()
          if isSought { found = value }
        }
      }
    }
    return found
  }

  private struct Info: Encodable {
    struct Split: Encodable {
      let train: Double
      let validation: Double
      let test: Double
    }

    struct Rules: Encodable {
      let minArea: Double
      let maxArea: Double
      let minTokens: Int?
      let perImage: Int
      let choose: String
      let categories: [String]
      let exclude: [String]
      let unique: Bool
      let requireMention: Bool
      let balance: Int?
      let describe: String
      let split: Split?
      let seed: UInt64
    }

    let description: String
    let keyObjectRules: Rules
    let examined: Int
    /// By the rule that left them out.
    let leftOut: [String: Int]
    let imagesWithoutCaption: Int?
    let instances: String
    let captions: String?
    let model: String?
    let programVersion: String
    let run: RunIdentity
  }

  private var rulesInfo: Info.Rules {
    Info.Rules(
      minArea: rules.minArea, maxArea: rules.maxArea, minTokens: configuration.model == nil ? nil : rules.minTokens,
      perImage: rules.perImage, choose: rules.choose.rawValue, categories: rules.categories, exclude: rules.excluded,
      unique: rules.unique, requireMention: rules.requireMention, balance: rules.balance,
      describe: rules.describe.rawValue,
      split: rules.split.map { Info.Split(train: $0.shares[0], validation: $0.shares[1], test: $0.shares[2]) },
      seed: rules.seed)
  }

  /// What becomes `info` of the output.
  func infoJSON(_ choice: Choice) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let info = Info(
      description: "Key objects of \(configuration.instances.lastPathComponent)", keyObjectRules: rulesInfo,
      examined: choice.examined,
      leftOut: Dictionary(uniqueKeysWithValues: choice.selection.leftOut.map { ($0.key.rawValue, $0.value) }),
      imagesWithoutCaption: choice.selection.imagesWithoutCaption,
      instances: configuration.instances.lastPathComponent, captions: configuration.captions?.lastPathComponent,
      model: configuration.model.map(modelName(ofFolder:)), programVersion: JobDefaults.programVersion, run: choice.run)
    return String(decoding: try encoder.encode(info), as: UTF8.self)
  }
}

extension KeyObjectSelection.KeyObject {
  /// As it is written: with the description's source, and the caption it is from.
  var described: KeyObjectDataset.DescribedAnnotation {
    var remarks = [(key: "description_source", json: "\"\(description.source.rawValue)\"")]
    if let id = description.captionID { remarks.append((key: "caption_id", json: "\(id)")) }
    return KeyObjectDataset.DescribedAnnotation(
      annotation, description: description.text, remarks: remarks, hasPlainOutline: hasPlainOutline)
  }
}
