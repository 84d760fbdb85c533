import Foundation
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("Chat text")
struct ChatTests {
  struct Conversation: Decodable, Sendable {
    let prompt: String
    let description: String?
    let add_generation_prompt: Bool
    let text: String
  }

  private struct File: Decodable {
    let cases: [Conversation]
  }

  private static func conversations() throws -> [Conversation] {
    let file = Goldens.root().appendingPathComponent("chat.json")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: file)).cases
  }

  /// Of a checkpoint with the published template.
  private func chat(_ folder: String = "nested") throws -> ChatPrompt {
    try ChatPrompt(
      ChatTemplateSource.find(in: checkpoint(folder)), specialTokens: [], placeholder: Qwen2VLImageProcessor.placeholder
    )
  }

  /// Scalars, as Swift takes texts for equal that differ in their code points.
  private func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }

  @Test(
    "a chat reads as transformers renders the folder's template, and the description is where it should be",
    arguments: GoldenSample.folders + ["qwen2_5_vl"])
  func rendering(_ folder: String) throws {
    let chat = try chat(folder)
    let answered = try Self.conversations().filter { !$0.add_generation_prompt && $0.description != nil }
    #expect(answered.count >= 8)
    for conversation in answered {
      let description = conversation.description ?? ""
      let rendered = try chat.conversation(prompt: conversation.prompt, answer: description)
      #expect(scalars(rendered.text) == scalars(conversation.text))
      #expect(Array(scalars(rendered.text)[rendered.description]) == scalars(description))
    }
  }

  @Test("a question reads as transformers renders the template with a generation prompt")
  func question() throws {
    let open = try Self.conversations().filter { $0.add_generation_prompt && $0.description == nil }
    #expect(open.count >= 2)
    for conversation in open {
      #expect(scalars(try chat().question(conversation.prompt).text) == scalars(conversation.text))
    }
  }

  /// The last place of "m" in the text is in `<|im_end|>`: searching for the description would find that.
  @Test(
    "a description that occurs elsewhere in the text is found in its own place",
    arguments: [
      "m", "end", "assistant", "im_end", "|>", "user", "image.", "Describe the main object in the image.", "e",
    ]
  )
  func place(_ description: String) throws {
    let model = try loadModel(checkpoint("nested"))
    let prompt = "Describe the main object in the image."
    let rendered = try model.chat.conversation(prompt: prompt, answer: description)
    let question = try model.chat.question(prompt).text
    let count = scalars(question).count
    #expect(rendered.description == count..<count + description.unicodeScalars.count)

    let sequence = try model.sequence(prompt: prompt, description: description, layout: .row(of: 6))
    let before = try model.parts.prompts.tokenizer.encode(question).ids.count + 5
    // Behind it come <|im_end|> and a line break.
    #expect(sequence.caption == Array(before..<sequence.ids.count - 2))
    let text = model.parts.prompts.tokenizer.decode(
      sequence.caption.map { Int(sequence.ids[$0]) }, skipSpecialTokens: false)
    #expect(text == description)
  }

  @Test("a description's first and last token take part even where they hold more than the description")
  func overlap() throws {
    let model = try loadModel(checkpoint("nested"))
    // "\n" joins the line break before the answer in one token.
    let sequence = try model.sequence(prompt: "What?", description: "\n\nx", layout: .row(of: 4))
    let text = model.parts.prompts.tokenizer.decode(
      sequence.caption.map { Int(sequence.ids[$0]) }, skipSpecialTokens: false)
    #expect(text.hasSuffix("\n\nx"))
  }

  @Test("an empty description has no tokens")
  func empty() throws {
    let model = try loadModel(checkpoint("nested"))
    #expect(try model.sequence(prompt: "What?", description: "", layout: .row(of: 4)).caption.isEmpty)
  }

  @Test("an image placeholder in the prompt or the description is not the image")
  func placeholders() throws {
    let model = try loadModel(checkpoint("nested"))
    let plain = try model.sequence(prompt: "", description: "x", layout: .row(of: 4))
    for (prompt, description) in [
      ("<|image_pad|>", "a"), ("What?", "<|image_pad|> b"), ("<|image_pad|>", "<|image_pad|>"),
    ] {
      let sequence = try model.sequence(prompt: prompt, description: description, layout: .row(of: 4))
      #expect(sequence.visual == plain.visual)
      #expect(!sequence.caption.isEmpty && sequence.caption.allSatisfy { $0 >= sequence.visual.end })
    }
  }

  @Test("a description that contains its own placeholder is found nevertheless")
  func markers() throws {
    let chat = try chat()
    for text in ["headimpactanswer0mark", "headimpactprompt0mark", "headimpactanswer0markheadimpactanswer1mark"] {
      let rendered = try chat.conversation(prompt: text, answer: text)
      #expect(Array(scalars(rendered.text)[rendered.description]) == scalars(text))
      #expect(rendered.text.hasSuffix(text + "<|im_end|>\n"))
    }
  }

  @Test("the requested number of visual tokens is between the vision tokens", arguments: [1, 4, 1000])
  func visual(_ count: Int) throws {
    let model = try loadModel(checkpoint("odd"))
    let sequence = try model.sequence(prompt: "What?", description: "a dog", layout: .row(of: count))
    #expect(sequence.visual.count == count && sequence.visual == sequence.image)
    #expect(sequence.visual.positions.allSatisfy { Int(sequence.ids[$0]) == model.configuration.imageTokenId })
    #expect(
      model.parts.prompts.tokenizer.token(of: Int(sequence.ids[sequence.visual.positions[0] - 1])) == "<|vision_start|>"
    )
    #expect(model.parts.prompts.tokenizer.token(of: Int(sequence.ids[sequence.visual.end])) == "<|vision_end|>")
  }
}
