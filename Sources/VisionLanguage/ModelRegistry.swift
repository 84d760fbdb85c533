import Foundation
import IO
import Kernels
import Safetensors

/// The families that can be loaded, by `model_type`.
public enum ModelRegistry {
  private static var families: [any VisionLanguageModel.Type] {
    [
      Qwen2VLModel.self,
      SmolVLMModel.self,
      Qwen25VLModel.self,
      Qwen3VLModel.self,
      InternVLModel.self,
      LlavaModel.self,
      PaliGemmaModel.self,
      Gemma3Model.self,
    ]
  }

  /// The model types that `load` knows.
  public static var modelTypes: [String] { families.flatMap { $0.modelTypes }.sorted() }

  /// The template of a folder's chats: a file's, the folder's own, or what the family's processor writes.
  ///
  /// - Throws: `ConfigurationError` if there is none.
  static func chatTemplate(of folder: URL, override file: URL?) throws -> ChatTemplateSource {
    let config = folder.appendingPathComponent("config.json")
    let modelType = ModelFile.isThere(config) ? try ConfigurationFile(contentsOf: config).string("model_type") : nil
    let family = families.first { family in modelType.map(family.modelTypes.contains) == true }
    guard let processor = family?.processorTemplate else { return try .find(in: folder, override: file) }
    return try .written(by: processor, in: folder, override: file)
  }

  /// Loads a published model folder.
  ///
  /// - Throws: an error that names the file and what is wrong in it.
  public static func load(
    folder: URL, input: InputOptions = InputOptions(), backend: any Backend
  ) throws -> any VisionLanguageModel {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw ConfigurationError(
        path: folder.path, key: "",
        reason: ModelFile.isThere(folder)
          ? "is not a folder; a model is a folder with config.json and safetensors, as on the Hugging Face Hub"
          : "there is no such folder; a model is a local folder as on the Hugging Face Hub")
    }
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    guard let modelType = try file.string("model_type") else {
      throw file.wrong("model_type", "is missing; it must be one of \(modelTypes.joined(separator: ", "))")
    }
    if let reason = families.lazy.compactMap({ $0.refusedModelTypes[modelType] }).first {
      throw file.wrong("model_type", "is \"\(modelType)\": \(reason)")
    }
    guard let family = families.first(where: { $0.modelTypes.contains(modelType) }) else {
      throw file.wrong(
        "model_type",
        "is \"\(modelType)\", which isn't known; the nearest that are: \(nearest(to: modelType).joined(separator: ", ")); all: "
          + "\(modelTypes.joined(separator: ", ")). docs/adding-a-family.md says how to add a family")
    }
    return try family.init(folder: folder, input: input, backend: backend)
  }

  /// The known model types whose names are nearest, the nearest first.
  static func nearest(to name: String, count: Int = 3) -> [String] {
    // A lying file may have a very long name.
    let name = Array(name.utf8.prefix(64))
    let distances = modelTypes.map { (type: $0, distance: editDistance(name, Array($0.utf8))) }
    return distances.sorted { ($0.distance, $0.type) < ($1.distance, $1.type) }.prefix(count).map(\.type)
  }

  /// Insertions, deletions and replacements that make one text of another (Levenshtein).
  private static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        (diagonal, row[j + 1]) = (row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (x == y ? 0 : 1)))
      }
    }
    return row[b.count]
  }
}
