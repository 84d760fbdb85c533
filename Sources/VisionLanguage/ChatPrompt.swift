import ChatTemplate
import IO

/// What a model folder's chat template makes of a question about one image, and of its answer.
///
/// The template is asked as transformers' `apply_chat_template` asks it: `messages` with the system's turn, if there is
/// one, the image and the prompt in the user's turn and the answer in the assistant's, `add_generation_prompt`, the
/// tokenizer's special tokens, no tools and no documents.
public struct ChatPrompt: Sendable {
  /// The template's file, and in it the key.
  public let source: String
  /// Of the template's text.
  public let sha256: String
  /// What the user should know of the template, whatever the model is used for.
  let remarks: [String]
  /// Whether generation begins where a conversation's answer does; training and generating differ where it doesn't.
  let beginsAsGenerated: Bool
  /// What stands behind an answer.
  let ending: [Unicode.Scalar]
  /// A conversation without its prompt and answer; it shows the image as one placeholder.
  let frame: String

  /// The text of a system's turn before the user's; nil for no such turn.
  let system: String?

  private let template: ChatTemplate
  /// What ends an answer, where the template says only how a question is asked.
  private let endOfAnswer: String?
  /// Whether an answer is tokenised apart from what comes before it.
  private let cutsAnswer: Bool
  private let placeholder: [Unicode.Scalar]
  private let specialTokens: [(name: String, text: String)]
  private let answered: Frame
  private let asked: Frame

  /// - Parameters:
  ///   - placeholder: the text that the image takes the place of.
  ///   - specialTokens: variables of the template.
  ///   - system: the text of a system's turn before the user's.
  ///   - endOfAnswer: not nil where the template says only how a question is asked; an answer stands behind it, after a
  ///     blank, and this behind the answer.
  ///   - cutsAnswer: whether an answer is tokenised apart from what comes before it.
  /// - Throws: `ConfigurationError` if the template can't be read or rendered, or doesn't show the image, the prompt
  ///   and the answer each in one place and the system's turn somewhere.
  init(
    _ source: ChatTemplateSource, specialTokens: [(name: String, text: String)], placeholder: String,
    system: String? = nil, endOfAnswer: String? = nil, cutsAnswer: Bool = false
  ) throws {
    (self.system, self.endOfAnswer, self.cutsAnswer) = (system, endOfAnswer, cutsAnswer)
    sha256 = source.sha256
    remarks = source.remarks
    self.source = source.name
    self.specialTokens = specialTokens
    self.placeholder = Array(placeholder.unicodeScalars)
    let prompt = Marker("prompt", notIn: source.text + (system ?? ""))
    let answer = Marker("answer", notIn: source.text + (system ?? ""))
    do {
      template = try ChatTemplate(source: source.text, name: source.name)
      if let system {
        let told = Variables(specialTokens: specialTokens, system: Marker("system", notIn: source.text).text)
        try Self.check(template, source.name, system: system, told, placeholder: placeholder)
      }
      let variables = Variables(specialTokens: specialTokens, system: system)
      let question = try template.render(variables.of(prompt: prompt.text, answer: nil))
      let conversation =
        try endOfAnswer.map { Self.answering(question, by: answer.text, $0) }
        ?? template.render(variables.of(prompt: prompt.text, answer: answer.text))
      answered = try Frame(conversation, prompt: prompt, answer: answer, placeholder: placeholder, name: source.name)
      asked = try Frame(question, prompt: prompt, answer: nil, placeholder: placeholder, name: source.name)
    } catch let error as ChatTemplateError {
      throw ConfigurationError(
        path: source.name, key: "",
        reason:
          "can't be rendered\(system == nil ? "" : " with a system's turn (--system)"): line \(error.line): \(error.problem); "
          + "--chat-template takes another template")
    }
    ending = answered.ending
    frame = (answered.beginning + answered.ending).string.replacing(prompt.text, with: "")
    beginsAsGenerated = answered.beginning.starts(with: asked.beginning)
  }

  /// - Parameter told: with a marker as the system's text.
  /// - Throws: `ConfigurationError` if the template doesn't show a system's turn, or its text holds the placeholder.
  private static func check(
    _ template: ChatTemplate, _ name: String, system: String, _ told: Variables, placeholder: String
  ) throws {
    func wrong(_ reason: String) -> ConfigurationError {
      ConfigurationError(
        path: name, key: "", reason: "\(reason); leave --system out, or give another template by --chat-template")
    }
    guard !system.contains(placeholder) else {
      throw wrong("the text of --system holds \(placeholder), which stands for the image")
    }
    let marker = told.system ?? ""
    for answer in [nil, "a"] where try !template.render(told.of(prompt: "p", answer: answer)).contains(marker) {
      throw wrong("has no place for a system's turn (--system)")
    }
  }

  /// The text up to where the assistant's answer begins.
  ///
  /// - Throws: `ChatFault` if the template can't render this prompt.
  func question(_ prompt: String) throws -> RenderedChat {
    let text = try render(prompt: prompt, answer: nil)
    return RenderedChat(
      text: text.string, image: try image(in: text, frame: asked, prompt: prompt), description: text.count..<text.count)
  }

  /// The whole conversation, and where the answer stands in it.
  ///
  /// - Throws: `ChatFault` if the template can't render these texts, or changes or repeats this answer.
  func conversation(prompt: String, answer: String) throws -> RenderedChat {
    let marker = Marker("answer", notIn: prompt)
    let frame = try render(prompt: prompt, answer: marker.text)
    let places = frame.places(of: marker.scalars)
    guard places.count == 1, let start = places.first else {
      throw fault("shows the answer \(places.count) times after the prompt \"\(prompt)\"")
    }
    let text = try render(prompt: prompt, answer: answer)
    let scalars = Array(answer.unicodeScalars)
    let ending = frame[(start + marker.scalars.count)...]
    guard text.elementsEqual(frame[..<start] + scalars + ending) else {
      throw fault("changes the answer \"\(answer)\", so its tokens can't be separated from the template's")
    }
    return RenderedChat(
      text: text.string, image: try image(in: Array(frame[..<start]), frame: answered, prompt: prompt),
      description: start..<start + scalars.count, cuts: cutsAnswer ? [start] : [])
  }

  /// - Throws: `ConfigurationError` if the template puts nothing behind an answer that could end it.
  public func requireEndOfTurn() throws {
    guard ending.isEmpty else { return }
    throw ConfigurationError(
      path: source, key: "",
      reason: "puts nothing after an answer, so there is no token that ends it and none to learn; "
        + "give a template with an end of turn by --chat-template")
  }

  /// The template's own image placeholder: a prompt may hold the same text.
  private func image(in text: [Unicode.Scalar], frame: Frame, prompt: String) throws -> Range<Int> {
    let places = text.places(of: placeholder)
    let place: Int? = places.count == 1 || frame.imageIsFirst ? places.first : frame.imageIsLast ? places.last : nil
    guard let place else {
      throw fault("shows \(places.count) image placeholders with the prompt \"\(prompt)\"; it must be one")
    }
    return place..<place + placeholder.count
  }

  private func render(prompt: String, answer: String?) throws -> [Unicode.Scalar] {
    do {
      let variables = Variables(specialTokens: specialTokens, system: system)
      if let answer, let endOfAnswer {
        let question = try template.render(variables.of(prompt: prompt, answer: nil))
        return Array(Self.answering(question, by: answer, endOfAnswer).unicodeScalars)
      }
      return Array(try template.render(variables.of(prompt: prompt, answer: answer)).unicodeScalars)
    } catch let error as ChatTemplateError {
      throw fault("can't be rendered with the prompt \"\(prompt)\": line \(error.line): \(error.problem)")
    }
  }

  /// A question and its answer, apart by a blank unless the question ends in white space.
  private static func answering(_ question: String, by answer: String, _ end: String) -> String {
    let isApart = question.unicodeScalars.last?.properties.isWhitespace ?? true
    return question + (isApart ? "" : " ") + answer + end
  }

  private func fault(_ reason: String) -> ChatFault { ChatFault(description: "\(source): the chat template \(reason)") }
}

/// Why one sample's text can't be put into the chat template.
struct ChatFault: ContentFault, CustomStringConvertible, Equatable {
  let description: String
}

/// A rendered chat, and where the image and the description stand in it.
struct RenderedChat: Sendable, Equatable {
  let text: String
  /// The image placeholder or what has taken its place, in Unicode scalars of `text`.
  let image: Range<Int>
  /// In Unicode scalars of `text`.
  let description: Range<Int>
  /// Where the text is cut into texts that are tokenised apart, in Unicode scalars of `text`, ascending. None lies
  /// inside the image or the description.
  var cuts: [Int] = []

  /// The same with another text in the image placeholder's place.
  func replacingImage(with other: String) -> RenderedChat {
    let scalars = Array(text.unicodeScalars)
    let count = other.unicodeScalars.count
    func moved(_ place: Int) -> Int { place < image.upperBound ? place : place + count - image.count }
    return RenderedChat(
      text: scalars[..<image.lowerBound].string + other + scalars[image.upperBound...].string,
      image: image.lowerBound..<image.lowerBound + count,
      description: moved(description.lowerBound)..<moved(description.upperBound), cuts: cuts.map(moved))
  }
}

// MARK: - Parts

/// A text that stands for another while one looks where the template puts it.
private struct Marker {
  let text: String
  var scalars: [Unicode.Scalar] { Array(text.unicodeScalars) }

  init(_ role: String, notIn other: String) {
    var number = 0
    var text = ""
    repeat {
      text = "headimpact\(role)\(number)mark"
      number += 1
    } while other.contains(text)
    self.text = text
  }
}

/// What transformers gives a template of a conversation about one image.
private struct Variables {
  let specialTokens: [(name: String, text: String)]
  let system: String?

  /// - Parameter answer: nil for a question that is to be answered.
  func of(prompt: String, answer: String?) -> TemplateDictionary {
    let question: TemplateValue = [
      "role": "user", "content": [["type": "image"], ["type": "text", "text": .string(prompt)]],
    ]
    let messages =
      (system.map { [turn("system", $0)] } ?? []) + [question] + (answer.map { [turn("assistant", $0)] } ?? [])
    var variables = TemplateDictionary(specialTokens.map { ($0.name, .string($0.text)) })
    variables["messages"] = .list(messages)
    variables["tools"] = TemplateValue.none
    variables["documents"] = TemplateValue.none
    variables["add_generation_prompt"] = .boolean(answer == nil)
    return variables
  }

  private func turn(_ role: String, _ text: String) -> TemplateValue {
    ["role": .string(role), "content": [["type": "text", "text": .string(text)]]]
  }
}

/// Where a template puts the image, the prompt and the answer.
private struct Frame: Sendable {
  /// The text before the answer, or all of a question's.
  let beginning: [Unicode.Scalar]
  /// The text behind the answer.
  let ending: [Unicode.Scalar]
  /// Whether the image comes before every place of the prompt, or after all.
  let imageIsFirst: Bool
  let imageIsLast: Bool

  init(_ text: String, prompt: Marker, answer: Marker?, placeholder: String, name: String) throws {
    func wrong(_ reason: String) -> ConfigurationError {
      ConfigurationError(
        path: name, key: "",
        reason:
          "\(reason) in \"\(text.count > 400 ? text.prefix(400) + "…" : text)\"; --chat-template takes another template"
      )
    }
    let scalars = Array(text.unicodeScalars)
    let images = scalars.places(of: Array(placeholder.unicodeScalars))
    guard images.count == 1, let image = images.first else {
      throw wrong("must show the image, \(placeholder), once, and does \(images.count) times")
    }
    let prompts = scalars.places(of: prompt.scalars)
    guard let first = prompts.first, let last = prompts.last else { throw wrong("does not show the prompt unchanged") }
    imageIsFirst = image < first
    imageIsLast = image > last
    guard let answer else {
      (beginning, ending) = (scalars, [])
      return
    }
    let answers = scalars.places(of: answer.scalars)
    guard answers.count == 1, let start = answers.first else {
      throw wrong("must show the answer once, unchanged, and does \(answers.count) times")
    }
    guard image < start, last < start else { throw wrong("shows the image or the prompt after the answer") }
    beginning = Array(scalars[..<start])
    ending = Array(scalars[(start + answer.scalars.count)...])
  }
}

extension Collection<Unicode.Scalar> {
  var string: String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: self)
    return String(view)
  }
}

extension [Unicode.Scalar] {
  /// Where `part` begins, from the front, without overlaps.
  fileprivate func places(of part: [Unicode.Scalar]) -> [Int] {
    guard let first = part.first, count >= part.count else { return [] }
    var places: [Int] = []
    var at = 0
    while at <= count - part.count {
      if self[at] == first, self[at..<at + part.count].elementsEqual(part) {
        places.append(at)
        at += part.count
      } else {
        at += 1
      }
    }
    return places
  }
}
