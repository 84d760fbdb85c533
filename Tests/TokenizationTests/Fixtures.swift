import Foundation
import Testing

@testable import Tokenization

/// Files that the tests read and write.
enum Fixtures {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  static let goldens = folder.appendingPathComponent("Goldens")
  static let smallTokenizer = goldens.appendingPathComponent("small-tokenizer.json")

  /// What is made rather than committed.
  static let cache = folder.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(".cache")

  /// The real vocabulary: 11 MB.
  static let qwen2File = cache.appendingPathComponent("qwen2-tokenizer/tokenizer.json")

  /// Read once for all tests.
  private static let qwen2Tokenizer = Result { try Tokenizer(contentsOf: qwen2File) }

  static func qwen2() throws -> Tokenizer {
    try #require(
      FileManager.default.fileExists(atPath: qwen2File.path),
      "the real Qwen2 vocabulary is missing at \(qwen2File.path): `make goldens-cache` makes it")
    return try qwen2Tokenizer.get()
  }

  static func json(_ name: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(contentsOf: goldens.appendingPathComponent(name)))
  }

  /// Runs `body` with a fresh folder.
  static func withFolder<T>(_ body: (URL) throws -> T) throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tokenization-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
  }

  /// A tokenizer of that text.
  static func tokenizer(_ json: String) throws -> Tokenizer {
    try withFolder { folder in
      let file = folder.appendingPathComponent("tokenizer.json")
      try Data(json.utf8).write(to: file)
      return try Tokenizer(contentsOf: file)
    }
  }

  /// The error that reading that text gives, without the folder's changing name.
  static func fault(_ json: String) throws -> String {
    let error = try #require(throws: TokenizationError.self) { try tokenizer(json) }
    #expect(error.file.hasSuffix("/tokenizer.json"))
    return error.key.map { "\($0): \(error.problem)" } ?? error.problem
  }
}

/// Equal as bytes: `String.==` would let canonically equivalent text pass.
func sameBytes(_ left: String, _ right: String) -> Bool { Array(left.utf8) == Array(right.utf8) }

extension Tokenization.Encoding {
  var flatOffsets: [Int] { offsets.flatMap { [$0.lowerBound, $0.upperBound] } }
}
