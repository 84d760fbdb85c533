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
    ]
  }

  /// The model types that `load` knows.
  public static var modelTypes: [String] { families.flatMap { $0.modelTypes }.sorted() }

  /// Loads a published model folder.
  ///
  /// - Parameter chatTemplate: a file whose chat template takes the place of the folder's own.
  /// - Throws: an error that names the file and what is wrong in it.
  public static func load(folder: URL, chatTemplate: URL? = nil, backend: any Backend) throws
    -> any VisionLanguageModel
  {
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
    guard let family = families.first(where: { $0.modelTypes.contains(modelType) }) else {
      throw file.wrong(
        "model_type", "is \"\(modelType)\"; the supported families are \(modelTypes.joined(separator: ", "))")
    }
    return try family.init(folder: folder, chatTemplate: chatTemplate, backend: backend)
  }
}
