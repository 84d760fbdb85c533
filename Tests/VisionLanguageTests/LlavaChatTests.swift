import TestSupport
import Testing

@testable import VisionLanguage

/// What the folders' own templates render, and what stands behind a question.
@Suite("Chats of the LLaVA families")
struct LlavaChatTests {
  private static let expected: [(folder: String, before: String, between: String, after: String)] = [
    ("llava_onevision", "<|im_start|>user\n<image>\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>\n"),
    ("llava_next", "[INST] <image>\n", " [/INST] ", "</s>"), ("llava", "USER: <image>\n", " ASSISTANT: ", "</s>"),
  ]

  @Test("a conversation reads as in the families' papers, whatever stands in it", arguments: LlavaSample.folders)
  func conversation(folder: String) throws {
    let expected = try #require(Self.expected.first { $0.folder == folder })
    let model = try model(folder)
    for prompt in ["What is this?", "", "a </s> b <image> [/INST]", " <|im_end|>\n\n", "ünï ☕"] {
      for answer in ["a dog", "  two\nblanks ", "ASSISTANT: </s>", "é"] {
        let chat = try model.chat.conversation(prompt: prompt, answer: answer)
        #expect(chat.text == expected.before + prompt + expected.between + answer + expected.after)
        #expect(Array(chat.text.unicodeScalars)[chat.description].elementsEqual(answer.unicodeScalars))
        #expect(Array(chat.text.unicodeScalars)[chat.image].elementsEqual("<image>".unicodeScalars))
      }
      let question = try model.chat.question(prompt).text
      #expect((expected.before + prompt + expected.between).hasPrefix(question))
    }
    #expect(model.chat.beginsAsGenerated && model.chat.ending == Array(expected.after.unicodeScalars))
  }

  @Test("a beginning of text stands before every chat of Llama's tokenizer, and no other does")
  func beginning() throws {
    for folder in LlavaSample.folders {
      let model = try model(folder)
      let layout = try model.visualLayout(width: 60, height: 60)
      let ids = try model.question(prompt: "What?", layout: layout).ids
      #expect((ids[0] == 1) == (folder != "llava_onevision"), "\(folder): \(ids.prefix(4))")
      #expect(ids.dropFirst().contains(1) == false || folder == "llava_onevision")
    }
  }

  @Test("an answer is not put after a second blank, nor by the template's words for one")
  func whiteSpace() throws {
    try ModelFolder.with(copyOf: "llava") { copy in
      let template =
        "{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('no answers here') }}{% endif %}"
        + "{% for p in m.content %}{{ p.text if p.type == 'text' else '<image>' }}{% endfor %}{% endfor %}{{ ending }}"
      for (ending, between) in [("\\n", "\n"), (" ", " "), (":", ": ")] {
        try copy.write(template.replacing("{{ ending }}", with: "{{ '\(ending)' }}"), to: "template.jinja")
        let chat = try ChatPrompt(
          ChatTemplateSource.find(in: copy.url, override: copy.file("template.jinja")), specialTokens: [],
          placeholder: "<image>", endOfAnswer: "</s>")
        #expect(try chat.conversation(prompt: "q", answer: "a").text == "<image>q\(between)a</s>")
        #expect(chat.beginsAsGenerated)
      }
    }
  }

  private func model(_ folder: String) throws -> LlavaModel {
    try #require(try LlavaSample.all().first { $0.folder == folder }).model()
  }
}
