import Foundation
import IO

/// The bundled demonstration model: a small Qwen2-VL, in the layout of published models, that learned to describe a
/// scene's key object. Its card is the folder's README.md.
public enum DemoModel {
  /// The files that a model folder consists of.
  public static let files = [
    "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
    "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
  ]

  /// Where the bundled model is.
  /// - Throws: `DemonstrationError` if the program was installed without its resources.
  public static func bundledFolder() throws -> URL {
    // SwiftPM's own `Bundle.module` traps where the resources are missing.
    let resources = "headimpact_Demonstration.resources"
    let program = Bundle.main.bundleURL
    let executable = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent()
    var places = [program]
    if let executable {
      places += [executable, executable.appendingPathComponent("../share/headimpact").standardizedFileURL]
    }
    for place in places {
      let model = place.appendingPathComponent(resources).appendingPathComponent("Model", isDirectory: true)
      if FileManager.default.fileExists(atPath: model.appendingPathComponent("config.json").path) {
        return model
      }
    }
    throw DemonstrationError(
      "the demonstration model is not installed: no \(resources) in "
        + places.map(\.path).joined(separator: ", ") + "; copy that folder from the build to beside the program")
  }

  /// Writes the model to a folder that does not exist yet or is empty.
  ///
  /// - Parameter overwrites: whether one that this wrote before is replaced.
  /// - Throws: `DemonstrationError` if there is no model, `FolderError` naming the folder, which is then as it was.
  public static func write(to folder: URL, overwrites: Bool = false) throws {
    let source = try bundledFolder()
    try DemoFolder.write(to: folder, overwrites: overwrites) { fresh in
      for file in files {
        // Not copyItem: that would keep a read-only installation's permissions.
        try WholeFolder.write(
          InputFile.read(source.appendingPathComponent(file)), to: fresh.appendingPathComponent(file))
      }
    }
  }
}
