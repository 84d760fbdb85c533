import Foundation
import IO
import JSON

/// vocab.json and merges.txt, which tokenizers of old are kept in.
enum VocabularyFiles {
  /// How to get a tokenizer.json.
  static let advice =
    "create a tokenizer.json with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"

  /// The two as the `model` of a tokenizer.json.
  ///
  /// - Throws: `TokenizationError` if one is missing or malformed, saying what the folder has instead.
  static func read(_ folder: URL) throws -> JSONNode {
    let (vocabulary, merges) = (
      folder.appendingPathComponent("vocab.json"), folder.appendingPathComponent("merges.txt")
    )
    guard ModelFile.isThere(vocabulary), ModelFile.isThere(merges) else {
      let others = ["tokenizer.model", "qwen.tiktoken", "tiktoken.model", "tekken.json", "vocab.json", "merges.txt"]
      let found = others.filter { ModelFile.isThere(folder.appendingPathComponent($0)) }
      throw TokenizationError(
        file: folder.appendingPathComponent("tokenizer.json").path,
        problem: "there is no such file, nor vocab.json with merges.txt"
          + (found.isEmpty ? "" : "; \(found.joined(separator: ", ")) is not enough: \(advice)"))
    }
    let vocab = try JSONNode.read(vocabulary)
    return JSONNode(
      value: .object([
        JSONMember(key: ByteString("vocab"), value: vocab.value),
        JSONMember(key: ByteString("merges"), value: .array(try readMerges(merges))),
      ]), key: "", file: vocabulary.path)
  }

  /// One merge per line, without the version line.
  private static func readMerges(_ url: URL) throws -> [JSONValue] {
    let bytes = try JSONNode.readBytes(url)
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw TokenizationError(file: url.path, problem: "the file is not UTF-8 text")
    }
    var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    let version = Array("#version".utf8)
    return try lines.enumerated().compactMap { index, line in
      let line = line.last == 0x0D ? line.dropLast() : line
      guard !line.starts(with: version) else { return nil }
      let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw TokenizationError(
          file: url.path, key: "line \(index + 1)",
          problem: "\(ByteString(line).quoted) is not two tokens with one blank between them")
      }
      return .array(parts.map { .string(ByteString($0)) })
    }
  }
}
