import COCO
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
  static func write(_ entries: [Entry], kind: ImageTextDataset.Kind, to url: URL) throws {
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
  static func read(_ url: URL, kind: ImageTextDataset.Kind) throws -> [Entry] {
    struct Item: Decodable {
      let image_id: Int64?
      let question_id: Int64?
      let caption: String?
      let answer: String?
    }
    let wrong = JobError(
      "\(url.path): is no list of \(kind.idKey) and \(kind.textKey), as this run makes it; choose another --output")
    let items: [Item]
    do { items = try JSONDecoder().decode([Item].self, from: Data(JobInputs.read(url))) } catch let error as JobError {
      throw error
    } catch { throw wrong }
    return try items.map { item in
      guard let id = kind == .captions ? item.image_id : item.question_id,
        let text = kind == .captions ? item.caption : item.answer
      else { throw wrong }
      return Entry(id: id, text: text)
    }
  }
}

extension ImageTextDataset.Kind {
  var idKey: String { self == .captions ? "image_id" : "question_id" }
  var textKey: String { self == .captions ? "caption" : "answer" }
}
