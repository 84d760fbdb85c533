import COCO
import Foundation
import Jobs

/// Generated texts in COCO's results format (captions) or VQA's (answers).
enum ResultsFile {
  /// Writes the file aside and gives it its name when it is whole.
  ///
  /// - Throws: `JobError` naming the file.
  static func write(_ entries: [GeneratedTexts.Entry], kind: ImageTextDataset.Kind, to url: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let lines = try entries.map { entry in
      "{\"\(kind.idKey)\": \(entry.id), \"\(kind.textKey)\": \(String(decoding: try encoder.encode(entry.text), as: UTF8.self))}"
    }
    do {
      try Data(("[\n" + lines.joined(separator: ",\n") + "\n]\n").utf8).write(to: url, options: .atomic)
    } catch {
      throw JobError("\(url.path): can't be written: \(error.localizedDescription)")
    }
  }

  /// A finished file's entries.
  ///
  /// - Throws: `JobError` where the file is none of this kind.
  static func read(_ url: URL, kind: ImageTextDataset.Kind) throws -> [GeneratedTexts.Entry] {
    do { return try GeneratedTexts(contentsOf: url, kind: kind).entries } catch let error as COCOError {
      throw JobError(
        "\(error); it is no list of \(kind.idKey) and \(kind.textKey), as this run makes it: choose another --output")
    }
  }
}
