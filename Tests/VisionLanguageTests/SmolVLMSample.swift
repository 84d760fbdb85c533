import Foundation
import HeadImpact
import ImageInput
import TestSupport
import Testing

@testable import VisionLanguage

/// One image and its description, with everything that transformers computed for it (tools/goldens/smolvlm/make.py).
struct SmolVLMSample: Sendable, CustomTestStringConvertible {
  struct Input: Sendable, Codable {
    let sample: String
    let image: String
    let width: Int
    let height: Int
    let prompt: String
    let description: String
    /// What takes the placeholder's place in the chat.
    let placeholder: String
    /// Whether the image was cut into tiles, which is not always what the checkpoint's files say.
    let splitting: Bool
  }

  /// SmolVLM in bf16, whose tiles have a strip that no patch sees; Idefics3 in float32, with rows and columns of tiles.
  static let folders = ["smolvlm", "idefics3"]

  let folder: String
  let input: Input

  var testDescription: String { "\(folder) \(input.sample)" }
  var checkpoint: URL { Goldens.root().appendingPathComponent("\(folder)/checkpoint") }

  static func all() throws -> [SmolVLMSample] {
    try folders.flatMap { folder in
      let file = Goldens.root().appendingPathComponent("\(folder)/inputs.json")
      return try JSONDecoder().decode([Input].self, from: Data(contentsOf: file)).map {
        SmolVLMSample(folder: folder, input: $0)
      }
    }
  }

  func image() throws -> RGBImage {
    try decodeImage(contentsOf: Goldens.root().appendingPathComponent("\(folder)/inputs/\(input.image)"))
  }

  func floats(_ what: String) throws -> [Float] { try Goldens(folder).floats("\(input.sample).\(what)") }
  func doubles(_ what: String) throws -> [Double] { try Goldens(folder).doubles("\(input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try Goldens(folder).integers("\(input.sample).\(what)") }

  func configuration() throws -> SmolVLMConfiguration {
    try SmolVLMConfiguration(ConfigurationFile(contentsOf: checkpoint.appendingPathComponent("config.json")))
  }

  /// The checkpoint's image processor, with tiles as the sample has them.
  func processor() throws -> SmolVLMImageProcessor {
    try ModelFolder.with(copyOf: folder) { copy in
      try copy.edit("preprocessor_config.json", "do_image_splitting", "\(input.splitting)")
      return try SmolVLMImageProcessor(
        ConfigurationFile(contentsOf: copy.file("preprocessor_config.json")), for: configuration(),
        resizing: .pillow)
    }
  }
}

extension ModelFolder {
  /// A copy that is there as long as `body` runs.
  static func with<R>(copyOf folder: String, _ body: (ModelFolder) throws -> R) throws -> R {
    let copy = try ModelFolder(of: folder)
    defer { copy.remove() }
    return try body(copy)
  }
}
