import COCO
import Foundation
import Jobs

/// Results in the format of COCO's captions or of VQA v2: a list of `{"image_id", "caption"}` or
/// `{"question_id", "answer"}`.
enum ResultsFile {
  private struct Caption: Codable {
    let image_id: Int64
    let caption: String
  }

  private struct Answer: Codable {
    let question_id: Int64
    let answer: String
  }

  /// Writes the file aside and gives it its name when it is whole.
  static func write(_ texts: [(id: Int64, text: String)], kind: ImageTextDataset.Kind, to url: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let lines = try texts.map { id, text in
      switch kind {
      case .captions: try encoder.encode(Caption(image_id: id, caption: text))
      case .questions: try encoder.encode(Answer(question_id: id, answer: text))
      }
    }
    do {
      let text = lines.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",\n")
      try Data("[\n\(text)\n]\n".utf8).write(to: url, options: .atomic)
    } catch {
      let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
      throw JobError("\(url.path): can't be written: \((cause ?? error).localizedDescription)")
    }
  }

  /// The ids of a finished file's entries.
  ///
  /// - Throws: `JobError` where the file isn't one of this kind.
  static func ids(in url: URL, kind: ImageTextDataset.Kind) throws -> [Int64] {
    let data = Data(try JobInputs.read(url))
    do {
      switch kind {
      case .captions: return try JSONDecoder().decode([Caption].self, from: data).map(\.image_id)
      case .questions: return try JSONDecoder().decode([Answer].self, from: data).map(\.question_id)
      }
    } catch {
      let format = kind == .captions ? "image_id and caption" : "question_id and answer"
      throw JobError("\(url.path): is no list of \(format), as this run makes it; choose another --output")
    }
  }
}
