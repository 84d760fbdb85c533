import Foundation
import JSON

/// A file of conversations about pictures, as people fine-tune with: a JSON list, or one JSON object a line (JSONL), of
/// records with `messages` (OpenAI, transformers) or `conversations` (ShareGPT, LLaVA).
///
/// What can't be asked of a model about one picture is left out; `problems` names it.
struct ConversationFile {
  /// In the order of the file.
  private(set) var examples: [ImageTextExample] = []
  /// Of the system's turn, which all have or none has.
  private(set) var system: String?
  private(set) var problems = RecordProblems()

  // MARK: Recognition

  private struct Known: Error { let isOne: Bool }

  /// Whether the first record of a file has turns: a COCO or VQA file has none.
  static func recognises(_ json: [UInt8]) -> Bool {
    do {
      // Of a record a line, the first.
      let line = json[json.startIndex..<(json.firstIndex(of: UInt8(ascii: "\n")) ?? json.endIndex)]
      do { try recognise(json, in: line.indices) } catch is COCOError { try recognise(json, in: json.indices) }
    } catch let known as Known { return known.isOne } catch {
      // Whoever reads the file as a COCO file says what is wrong.
    }
    return false
  }

  private static func recognise(_ json: [UInt8], in range: Range<Int>) throws {
    try JSONReader.readFile(json, in: range) { reader in
      if reader.peek() == .array {
        try reader.readArray { try recognise(&$0) }
      } else {
        try recognise(&reader)
      }
    }
  }

  /// - Throws: `Known` as soon as a key tells.
  private static func recognise(_ reader: inout JSONReader) throws {
    guard reader.peek() == .object else { throw Known(isOne: false) }
    try reader.readObject { reader, key in
      switch key.text {
      case "messages", "conversations": throw Known(isOne: true)
      case "annotations", "questions", "info", "licenses", "categories": throw Known(isOne: false)
      default: try reader.skipValue()
      }
    }
    throw Known(isOne: false)
  }

  // MARK: Reading

  /// A record as it was found.
  private struct Found {
    let place: String
    /// nil if it has none that is a whole number.
    let statedID: Int64?
    let result: Result<Conversation, COCOError>

    var conversation: Conversation? {
      if case .success(let conversation) = result { conversation } else { nil }
    }
  }

  /// - Throws: `COCOError` without the file's name, if the file can't be read at all.
  init(_ json: [UInt8]) throws {
    let found = try Self.records(json)
    let stated = found.compactMap(\.statedID)
    // Published files have the id of the image, several times; or a text.
    let usesStated = stated.count == found.count && Set(stated).count == stated.count
    let usable = found.compactMap(\.conversation)
    let systems = usable.compactMap(\.system)
    let most = Self.mostFrequent(systems, atLeast: usable.count - systems.count)
    system = most
    var images: [String: Int64] = [:]
    for (position, record) in found.enumerated() {
      let id = usesStated ? record.statedID ?? Int64(position) : Int64(position)
      func lose(_ error: COCOError, _ problems: inout RecordProblems) {
        problems.add(RecordProblem(.conversation, at: position, id: id, error, cost: .record))
      }
      switch record.result {
      case .failure(let error): lose(error, &problems)
      case .success(let conversation):
        guard conversation.system == most else {
          lose(
            COCOError(jsonPath: record.place, problem: "has another system's turn than most conversations of the file"),
            &problems)
          continue
        }
        let imageID = images[conversation.fileName] ?? Int64(position)
        images[conversation.fileName] = imageID
        examples.append(
          ImageTextExample(
            id: id, imageID: imageID, fileName: conversation.fileName, size: nil, prompt: conversation.prompt,
            target: conversation.answer))
      }
    }
    examples.sort { $0.id < $1.id }
  }

  /// The text that most have; nil where no text is as frequent as none at all.
  private static func mostFrequent(_ texts: [String], atLeast without: Int) -> String? {
    let counts = Dictionary(texts.map { ($0, 1) }, uniquingKeysWith: +)
    guard let most = counts.values.max(), most >= without else { return nil }
    return texts.first { counts[$0] == most }
  }

  private static func records(_ json: [UInt8]) throws -> [Found] {
    guard json.first(where: { !$0.isBlank }) == UInt8(ascii: "[") else { return try lines(json) }
    var found: [Found] = []
    try JSONReader.readFile(json) { reader in
      try reader.readArray { reader in
        let place = "[\(found.count)]"
        found.append(Self.found(try reader.attempt { try $0.readValue() }, place: place))
      }
    }
    return found
  }

  private static func lines(_ json: [UInt8]) throws -> [Found] {
    let lines = json.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
      .filter { !$0.element.allSatisfy(\.isBlank) }
    func value(_ bytes: [UInt8], place: String) throws -> Result<JSONValue, COCOError> {
      // A copy: a reader looks at all that stands before its range.
      do {
        return .success(try JSONReader.readFile(bytes, in: 0..<bytes.count, root: place) { try $0.readValue() })
      } catch let error as COCOError { return .failure(error) }
    }
    if lines.count > 1, let first = lines.first, case .failure = try value(Array(first.element), place: ""),
      case .success(let whole) = try value(json, place: "")
    {
      // One record, spread over lines.
      return [Self.found(.success(whole), place: "")]
    }
    return try lines.map { number, line in
      let place = "line \(number + 1)"
      return Self.found(try value(Array(line), place: place), place: place)
    }
  }

  private static func found(_ value: Result<JSONValue, COCOError>, place: String) -> Found {
    switch value {
    case .failure(let error): return Found(place: place, statedID: nil, result: .failure(error))
    case .success(let record):
      let id = (record["id"] ?? record["question_id"]).flatMap { value in
        value.integer.map(Int64.init) ?? value.string.flatMap(JSONReader.integer)
      }
      do {
        return Found(place: place, statedID: id, result: .success(try Conversation(record)))
      } catch {
        return Found(
          place: place, statedID: id,
          result: .failure(
            COCOError(jsonPath: place.isEmpty ? error.place : "\(place).\(error.place)", problem: error.problem)))
      }
    }
  }
}

extension UInt8 {
  fileprivate var isBlank: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
