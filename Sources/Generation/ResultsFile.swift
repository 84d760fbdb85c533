import Foundation
import Jobs

/// Generated texts in COCO's results format (captions) or VQA's (answers).
enum ResultsFile {
  /// One entry, in the order of its keys.
  struct Entry {
    let id: Int64
    let text: String
  }

  /// Writes the file aside and gives it its name when it is whole.
  ///
  /// - Throws: `JobError` naming the file.
  static func write(_ entries: [Entry], idKey: String, textKey: String, to url: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let lines = try entries.map { entry in
      "{\"\(idKey)\": \(entry.id), \"\(textKey)\": \(String(decoding: try encoder.encode(entry.text), as: UTF8.self))}"
    }
    do {
      try Data(("[\n" + lines.joined(separator: ",\n") + "\n]\n").utf8).write(to: url, options: .atomic)
    } catch {
      throw JobError("\(url.path): can't be written: \(error.localizedDescription)")
    }
  }
}
