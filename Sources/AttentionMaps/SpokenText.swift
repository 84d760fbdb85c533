import Decoding
import Foundation
import ImageInput
import RunSupport
import VisionLanguage

/// A text about an image, as the model reads it or has said it.
struct SpokenText {
  let text: String
  let isGenerated: Bool
  let sequence: TokenSequence

  /// The text of each token; a token that ends within a character has nothing of it.
  var tokens: [String] {
    let scalars = Array(text.unicodeScalars)
    return sequence.captionSpans.map { span in
      var part = String.UnicodeScalarView()
      part.append(contentsOf: scalars[span.clamped(to: 0..<scalars.count)])
      return String(part)
    }
  }

  /// - Throws: `JobError` if there is no text, or none of its tokens; what the model throws.
  init(
    _ subject: Subject, said: AttendConfiguration.Text, prompt: String, by model: any VisionLanguageModel,
    layout: VisualLayout
  ) throws {
    switch said {
    case .generated(let options):
      (text, sequence) = try Self.answer(to: prompt, about: subject.image, by: model, options, layout: layout)
      isGenerated = true
    case .given, .description:
      text = try subject.text(said)
      sequence = try model.sequence(prompt: prompt, description: text, layout: layout)
      isGenerated = false
    }
    guard !sequence.caption.isEmpty else { throw JobError("the text \"\(text)\" has no tokens") }
  }

  /// The model's answer. Its tokens are those that the model chose: its text would not always give the same ones again.
  private static func answer(
    to prompt: String, about image: RGBImage, by model: any VisionLanguageModel, _ options: DecodingOptions,
    layout: VisualLayout
  ) throws -> (text: String, sequence: TokenSequence) {
    let generator = TextGenerator(model, options: options)
    let question = try generator.question(prompt, id: 0, layout: layout)
    guard let answer = try generator.answers(to: [question], about: image).first else {
      throw JobError("the model gave no answer to \"\(prompt)\"")
    }
    let ends = answer.ids.last.map(model.stopTokens.contains) == true
    let ids = ends ? Array(answer.ids.dropLast()) : answer.ids
    guard !answer.text.allSatisfy(\.isWhitespace) else {
      throw JobError(
        "the model's answer to \"\(prompt)\" is empty, so there is nothing to draw; ask another --prompt, or give a --text"
      )
    }
    return (answer.text, question.tokens.answered(by: ids, spans: Self.spans(of: ids, text: model.text(of:))))
  }

  /// The characters of each token of an answer, in Unicode scalars: what its text grows by. Tokens that are parts of one
  /// character all have it.
  static func spans(of ids: [Int32], text: ([Int32]) -> String) -> [Range<Int>] {
    /// How many characters there are, and whether another has begun.
    func length(_ count: Int) -> (whole: Int, isPart: Bool) {
      let scalars = Array(text(Array(ids.prefix(count))).unicodeScalars)
      guard count < ids.count else { return (scalars.count, false) }
      let whole = scalars.reversed().drop { $0 == "\u{fffd}" }.count
      return (whole, whole < scalars.count)
    }
    var before = length(0)
    return (0..<ids.count).map { index in
      defer { before = length(index + 1) }
      let after = length(index + 1)
      return before.whole..<max(before.whole, after.whole + (after.isPart ? 1 : 0))
    }
  }
}

extension TokenSequence {
  /// A question with its answer, whose tokens are read.
  fileprivate func answered(by ids: [Int32], spans: [Range<Int>]) -> TokenSequence {
    TokenSequence(
      ids: self.ids + ids, image: image, visual: visual, positions: positions,
      caption: Array(self.ids.count..<self.ids.count + ids.count), captionSpans: spans, answerStart: self.ids.count)
  }
}
