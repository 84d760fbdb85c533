import Foundation
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

/// Every family's chat, with a system's turn and without one; the judge is jinja2 with transformers' settings.
@Suite("Chats of all families")
struct ChatFamiliesTests {
  struct Family: Decodable, Sendable {
    struct Case: Decodable, Sendable {
      let system: String?
      let prompt: String
      /// Nil for a question.
      let answer: String?
      let text: String
    }

    let template: String
    let placeholder: String
    let special_tokens: [String: String]
    let cases: [Case]
  }

  private struct File: Decodable {
    let families: [String: Family]
  }

  static func families() throws -> [String: Family] {
    let file = Goldens.root().appendingPathComponent("chat-families.json")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: file)).families
  }

  private func chat(
    _ template: String, _ tokens: [String: String] = [:], placeholder: String, system: String? = nil
  ) throws -> ChatPrompt {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("chat-\(UUID().uuidString).jinja")
    try Data(template.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return try ChatPrompt(
      ChatTemplateSource.find(in: file.deletingLastPathComponent(), override: file),
      specialTokens: tokens.map { ($0.key, $0.value) }, placeholder: placeholder, system: system)
  }

  private func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }

  @Test(
    "read as transformers renders them: no prompt, special tokens in it, blanks before an answer, a system's turn",
    arguments: try families().keys.sorted())
  func rendering(_ name: String) throws {
    let family = try #require(try Self.families()[name])
    #expect(family.cases.count >= 60)
    var chats: [String?: ChatPrompt] = [:]
    for golden in family.cases {
      let chat =
        try chats[golden.system]
        ?? chat(family.template, family.special_tokens, placeholder: family.placeholder, system: golden.system)
      chats[golden.system] = chat
      let place = "\(name), system \(golden.system ?? "none"), \(golden.prompt), \(golden.answer ?? "question")"
      guard let answer = golden.answer else {
        let question = try chat.question(golden.prompt)
        #expect(scalars(question.text) == scalars(golden.text), "\(place)")
        #expect(scalars(question.text)[question.image].string == family.placeholder, "\(place)")
        continue
      }
      // Gemma's template trims an answer: its tokens can't be told from the template's then, and the sample is skipped.
      let isTrimmed = name == "gemma3" && answer != answer.trimmingCharacters(in: .whitespacesAndNewlines)
      guard !isTrimmed else {
        #expect(throws: ChatFault.self) { try chat.conversation(prompt: golden.prompt, answer: answer) }
        continue
      }
      let rendered = try chat.conversation(prompt: golden.prompt, answer: answer)
      #expect(scalars(rendered.text) == scalars(golden.text), "\(place)")
      #expect(Array(scalars(rendered.text)[rendered.description]) == scalars(answer), "\(place)")
      #expect(scalars(rendered.text)[rendered.image].string == family.placeholder, "\(place)")
      // The template's own image comes first in all of them, whatever a prompt holds.
      let before = scalars(rendered.text)[..<rendered.image.lowerBound].string
      #expect(!before.contains(family.placeholder), "\(place)")
    }
  }

  @Test(
    "a folder without a template is refused, naming --chat-template",
    arguments: [
      "nested", "smolvlm", "qwen2_5_vl", "qwen3_vl", "internvl", "llava_onevision", "llava_next", "llava", "gemma3",
    ])
  func noTemplate(_ folder: String) throws {
    let copy = try ModelFolder(of: folder)
    defer { copy.remove() }
    for name in ["chat_template.jinja", "chat_template.json"]
    where FileManager.default.fileExists(atPath: copy.file(name).path) {
      try FileManager.default.removeItem(at: copy.file(name))
    }
    try copy.edit("tokenizer_config.json", "chat_template", nil)
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    #expect { try ModelRegistry.load(folder: copy.url, backend: backend) } throws: {
      "\($0)".contains("--chat-template") && "\($0)".contains(copy.url.path)
    }
  }

  @Test("PaliGemma, which has no chat, has no place for a system's turn")
  func noChat() throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    let folder = checkpoint("paligemma")
    #expect {
      try ModelRegistry.load(folder: folder, input: InputOptions(system: "Be terse."), backend: backend)
    } throws: {
      "\($0)".contains("PaliGemma has no system turn") && "\($0)".contains("--system")
    }
  }

  // MARK: - The system's turn

  private static let turns =
    "{% for m in messages %}{{ m.role }}: {% for c in m.content %}"
    + "{% if c.type == 'image' %}<image>{% else %}{{ c.text }}{% endif %}{% endfor %}\n{% endfor %}"

  @Test(
    "a template that does not show a system's turn, or refuses it, is refused, naming --system",
    arguments: [
      ("{% for m in messages if m.role != 'system' %}", "no place for a system's turn"),
      (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no systems here') }}{% endif %}{% for m in messages %}",
        "no systems here"
      ),
    ])
  func noPlace(_ beginning: String, _ reason: String) throws {
    let template = Self.turns.replacing("{% for m in messages %}", with: beginning)
    #expect { try chat(template, placeholder: "<image>", system: "Be terse.") } throws: {
      "\($0)".contains("--system") && "\($0)".contains(reason) && "\($0)".contains("--chat-template")
    }
  }

  @Test("a system's text that holds the image's placeholder is refused")
  func placeholder() throws {
    #expect { try chat(Self.turns, placeholder: "<image>", system: "See <image>!") } throws: {
      "\($0)".contains("--system") && "\($0)".contains("<image>")
    }
  }

  @Test("a model's chats begin with the system's turn; everything behind it is as without one")
  func model() throws {
    let folder = checkpoint("nested")
    let plain = try loadModel(folder)
    let told = try ModelRegistry.load(folder: folder, input: InputOptions(system: "Be terse."), backend: plain.backend)
    #expect(told.chat.system == "Be terse." && plain.chat.system == nil)
    let sequences = try [plain, told].map {
      try $0.sequence(prompt: "What?", description: "a dog", layout: .row(of: 4))
    }
    let question = try told.chat.question("What?").text
    #expect(question.hasPrefix("<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\n"))
    let common = sequences[0].ids.count - sequences[0].image.positions[0]
    #expect(sequences[0].ids.suffix(common) == sequences[1].ids.suffix(common))
    #expect(sequences[0].captionSpans == sequences[1].captionSpans)
    let added = sequences[1].ids.count - sequences[0].ids.count
    #expect(sequences[1].caption == sequences[0].caption.map { $0 + added })
    #expect(told.dimensions.templateTokens == plain.dimensions.templateTokens + added)
  }

  @Test("it is a part of what a run is known by, and nothing is without it")
  func identity() {
    let (plain, told, empty) = (InputOptions(), InputOptions(system: "Be terse."), InputOptions(system: ""))
    #expect(plain != told && told != empty && plain != empty)
    #expect(!plain.parts.contains { $0.name == "--system" })
    #expect(told.parts.filter { $0.name != "--system" }.map(\.value) == plain.parts.map(\.value))
    #expect(told.parts.first { $0.name == "--system" }?.value == "Be terse.")
    #expect(empty.parts.first { $0.name == "--system" }?.value == "")
  }
}
