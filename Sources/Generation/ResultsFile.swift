import COCO
import Foundation
import RunSupport

/// Generated texts in COCO's results format (captions) or VQA's (answers).
enum ResultsFile {
  /// The file's bytes.
  static func bytes(of entries: [GeneratedTexts.Entry], kind: ImageTextDataset.Kind) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let lines = try entries.map { entry in
      "{\"\(kind.idKey)\": \(entry.id), \"\(kind.textKey)\": \(String(decoding: try encoder.encode(entry.text), as: UTF8.self))}"
    }
    return Array(("[\n" + lines.joined(separator: ",\n") + "\n]\n").utf8)
  }

  /// A finished file's entries.
  ///
  /// - Throws: `JobError` if the file is none of this kind.
  static func read(_ url: URL, kind: ImageTextDataset.Kind) throws -> [GeneratedTexts.Entry] {
    do { return try GeneratedTexts(contentsOf: url, kind: kind).entries } catch let error as COCOError {
      throw JobError(
        "\(error); it is not a list of \(kind.idKey) and \(kind.textKey), as this run writes it: choose another --output"
      )
    }
  }
}
