import Foundation
import IO

/// The small files of a model folder that decide numbers, as digests: a run's identity holds them, so that no run
/// continues with others.
public struct ModelFiles: Sendable, Equatable {
  /// Of the chat template's text.
  public let chatTemplateSHA256: String
  /// SHA-256 of each file, "none" if there is no such file; always the same names in the same order.
  public let digests: [(name: String, value: String)]

  /// Whatever says what the model is and what it is shown.
  private static let names = [
    "config.json", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "preprocessor_config.json", "processor_config.json",
  ]

  /// - Parameters:
  ///   - chatTemplate: takes the place of the folder's own.
  ///   - generates: counts generation_config.json in, which decides what is generated and nothing else.
  /// - Throws: if there is no chat template, or a file that is there can't be read.
  public init(folder: URL, chatTemplate: URL?, generates: Bool = false) throws {
    chatTemplateSHA256 = try ModelRegistry.chatTemplate(of: folder, override: chatTemplate).sha256
    digests = try (Self.names + (generates ? ["generation_config.json"] : [])).map { name in
      let url = folder.appendingPathComponent(name)
      guard FileManager.default.fileExists(atPath: url.path) else { return (name, "none") }
      return (name, try InputFile.read(url).withUnsafeBytes { try SHA256.hex(of: $0) })
    }
  }

  /// The small files that are read when a model is opened, whether they exist or not.
  ///
  /// - Parameter chatTemplate: takes the place of the folder's own.
  public static func all(in folder: URL, chatTemplate: URL?) -> [URL] {
    let more = [
      "generation_config.json", "chat_template.json", "chat_template.jinja", "model.safetensors.index.json",
    ]
    return (names + more).map(folder.appendingPathComponent) + [chatTemplate].compactMap { $0 }
  }

  /// Of digests that are known.
  public init(chatTemplateSHA256: String, digests: [(name: String, value: String)]) {
    self.chatTemplateSHA256 = chatTemplateSHA256
    self.digests = digests
  }

  /// As parts of a run's identity.
  public var parts: [(name: String, value: String)] {
    [("chat template (SHA-256)", chatTemplateSHA256)] + digests.map { ("\($0.name) (SHA-256)", $0.value) }
  }

  /// All in one line each, as sha256sum writes them.
  public var listing: String { digests.map { "\($0.value)  \($0.name)" }.joined(separator: "\n") }

  public static func == (left: ModelFiles, right: ModelFiles) -> Bool {
    left.chatTemplateSHA256 == right.chatTemplateSHA256 && left.listing == right.listing
  }
}
