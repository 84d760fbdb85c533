import JSON

/// One record of a file of conversations, as far as a model is asked with it: one picture, one question, one answer.
///
/// Both of these are read, and mixtures of them:
///
///     {"messages": [{"role": "user", "content": [{"type": "image", "image": "a.jpg"}, {"type": "text", "text": "…"}]}, …]}
///     {"image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\n…"}, {"from": "gpt", "value": "…"}]}
struct Conversation {
  /// The text that stands for a picture in a turn's text.
  static let placeholder = "<image>"

  let fileName: String
  let system: String?
  let prompt: String
  /// Nil if the question isn't answered.
  let answer: String?

  /// What is wrong with a record: the place in it, and why it can't be used.
  struct Fault: Error {
    let place: String
    let problem: String
  }

  private struct Turn {
    enum Role { case system, user, assistant }

    let role: Role
    let place: String
    var text = ""
    /// One for each picture; nil where only the record names it.
    var pictures: [String?] = []
  }

  /// - Throws: `Fault`.
  init(_ record: JSONValue) throws(Fault) {
    let key = record["messages"] != nil ? "messages" : "conversations"
    guard let list = record[key]?.elements else {
      throw Fault(place: key, problem: "is no list of turns, which \"messages\" or \"conversations\" must be")
    }
    guard record["tools"]?.elements?.isEmpty ?? true else {
      throw Fault(place: "tools", problem: "offers tools; conversations without tools are used")
    }
    var turns: [Turn] = []
    for (index, value) in list.enumerated() { turns.append(try Self.turn(value, place: "\(key)[\(index)]")) }
    var system = record["system"]?.string
    if turns.first?.role == .system { system = turns.removeFirst().text }
    self.system = system.flatMap { $0.isEmpty ? nil : $0 }
    guard let question = turns.first, question.role == .user else {
      throw Fault(place: key, problem: "doesn't begin with the user's turn")
    }
    guard turns.count <= 2 else {
      throw Fault(place: key, problem: "has \(turns.count) turns; one question and one answer are used")
    }
    if turns.count == 2, turns[1].role != .assistant {
      throw Fault(place: turns[1].place, problem: "follows the question and is no answer")
    }
    if turns.count == 2, !turns[1].pictures.isEmpty {
      throw Fault(place: turns[1].place, problem: "shows a picture in the answer")
    }
    fileName = try Self.picture(record, question)
    prompt = question.text.trimmed
    answer = turns.count == 2 ? turns[1].text : nil
    guard !prompt.isEmpty else { throw Fault(place: question.place, problem: "asks nothing: it has no text") }
  }

  // MARK: Turns

  private static let roles: [String: Turn.Role] = [
    "system": .system, "developer": .system, "user": .user, "human": .user, "assistant": .assistant, "gpt": .assistant,
    "model": .assistant,
  ]
  private static let tools: Set<String> = ["tool", "function", "function_call", "observation", "ipython"]

  private static func turn(_ value: JSONValue, place: String) throws(Fault) -> Turn {
    guard let name = (value["role"] ?? value["from"])?.string else {
      throw Fault(place: place, problem: "has no \"role\" or \"from\" that is a text")
    }
    let calls = [value["tool_calls"], value["function_call"]].compactMap { $0 }
    guard !tools.contains(name), calls.allSatisfy({ $0.isNull || $0.elements?.isEmpty == true }) else {
      throw Fault(place: place, problem: "calls a tool; conversations without tools are used")
    }
    guard let role = roles[name] else {
      throw Fault(
        place: place,
        problem: "has the role \(JSONReader.shortened(name)); it must be system, user or human, assistant or gpt")
    }
    var turn = Turn(role: role, place: place)
    let content = value["content"] ?? value["value"] ?? .null
    if let text = content.string {
      add(text, to: &turn)
    } else if let parts = content.elements {
      for (index, part) in parts.enumerated() { try add(part, to: &turn, place: "\(place).content[\(index)]") }
    } else {
      throw Fault(place: place, problem: "has no \"content\" or \"value\" that is a text or a list of parts")
    }
    return turn
  }

  private static func add(_ text: String, to turn: inout Turn) {
    let parts = text.components(separatedBy: placeholder)
    turn.pictures += [String?](repeating: nil, count: parts.count - 1)
    turn.text += parts.joined()
  }

  private static func add(_ part: JSONValue, to turn: inout Turn, place: String) throws(Fault) {
    if let text = part.string { return add(text, to: &turn) }
    switch part["type"]?.string {
    case "text", "input_text", "output_text":
      guard let text = part["text"]?.string else { throw Fault(place: place, problem: "has no \"text\"") }
      add(text, to: &turn)
    case "image", "image_url", "input_image":
      turn.pictures.append(["image", "image_url", "path", "url"].lazy.compactMap { part[$0] }.compactMap(name).first)
    case let kind:
      throw Fault(
        place: place, problem: "is of the type \(kind.map(JSONReader.shortened) ?? "null"); it must be text or image")
    }
  }

  // MARK: The picture

  /// A picture's file, as the forms have it.
  private static func name(_ value: JSONValue) -> String? {
    value.string ?? ["url", "path", "file_name"].lazy.compactMap { value[$0]?.string }.first
  }

  private static func picture(_ record: JSONValue, _ question: Turn) throws(Fault) -> String {
    let listed = ["image", "images"].compactMap { record[$0] }.flatMap { $0.elements ?? [$0] }.compactMap(name)
    let names = question.pictures.compactMap { $0 } + listed
    guard let name = names.first, !name.isEmpty else {
      throw Fault(place: question.place, problem: "names no picture; every conversation is about one")
    }
    // Some writers name it in the record and in the turn.
    guard Set(names).count == 1, question.pictures.count <= 1 else {
      throw Fault(
        place: question.place,
        problem: "shows \(max(Set(names).count, question.pictures.count)) pictures; conversations about one are used")
    }
    if name.hasPrefix("data:") {
      throw Fault(place: question.place, problem: "holds the picture itself; it must name a file in --images")
    }
    if name.hasPrefix("http://") || name.hasPrefix("https://") {
      throw Fault(
        place: question.place,
        problem: "names a picture on the web, \(JSONReader.shortened(name)); it must name a file in --images")
    }
    return name.hasPrefix("file://") ? String(name.dropFirst("file://".count)) : name
  }
}

extension String {
  /// Without white space at its ends.
  fileprivate var trimmed: String {
    let start = drop(while: \.isWhitespace)
    return start.lastIndex { !$0.isWhitespace }.map { String(start[...$0]) } ?? ""
  }
}
