import Foundation
import Testing

@testable import VisionLanguage

/// The rule of `apply_chat_template` with `tokenize` in transformers 5.23 (processing_utils.py): what the tokenizer puts
/// before every text is put there unless the rendered chat begins with `bos_token`.
@Suite("A beginning of text that the tokenizer puts before every text")
struct BeginningOfTextTests {
  private static let token = "<|endoftext|>"

  /// A folder whose post-processor puts these before and behind a text.
  private func folder(before: [String] = [token], behind: [String] = [], bos: String? = token) throws -> ModelFolder {
    let folder = try ModelFolder(of: "nested")
    func pieces(_ tokens: [String]) -> [[String: Any]] { tokens.map { ["SpecialToken": ["id": $0, "type_id": 0]] } }
    let single = pieces(before) + [["Sequence": ["id": "A", "type_id": 0]]] + pieces(behind)
    let stage = try JSONSerialization.data(withJSONObject: ["type": "TemplateProcessing", "single": single])
    try folder.edit("tokenizer.json", "post_processor", String(decoding: stage, as: UTF8.self))
    try folder.edit("tokenizer_config.json", "bos_token", bos.map { "\"\($0)\"" })
    return folder
  }

  private func sequence(_ folder: URL, template: String? = nil) throws -> TokenSequence {
    if let template {
      try Data(template.utf8).write(to: folder.appendingPathComponent("chat_template.jinja"))
    }
    return try loadModel(folder).sequence(prompt: "What?", description: "a dog", layout: .row(of: 4))
  }

  @Test("is put before the ids, and everything else moves on by one", arguments: [token, nil])
  func putBefore(bos: String?) throws {
    let plain = try ModelFolder(of: "nested")
    let folder = try folder(bos: bos)
    defer {
      plain.remove()
      folder.remove()
    }
    let (without, with) = (try sequence(plain.url), try sequence(folder.url))
    let id = try #require(try loadModel(folder.url).parts.prompts.tokenizer.id(of: Self.token))
    #expect(with.ids == [Int32(id)] + without.ids)
    #expect(with.caption == without.caption.map { $0 + 1 })
    #expect(with.captionSpans == without.captionSpans)
    #expect(with.image.positions == without.image.positions.map { $0 + 1 })
    #expect(with.visual.positions == without.visual.positions.map { $0 + 1 })
    let model = try loadModel(folder.url)
    #expect(try model.question(prompt: "What?", layout: .row(of: 4)).ids.first == Int32(id))
    #expect(model.parts.prompts.templateTokens == (try loadModel(plain.url).parts.prompts.templateTokens) + 1)
  }

  @Test("is there once where the template writes it itself")
  func once() throws {
    let plain = try ModelFolder(of: "nested")
    let folder = try folder()
    defer {
      plain.remove()
      folder.remove()
    }
    let own =
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|vision_start|><|image_pad|><|vision_end|>"
      + "{{ m.content[1].text }}\n{% else %}{{ m.content[0].text }}<|im_end|>{% endif %}{% endfor %}"
    try plain.edit("tokenizer_config.json", "bos_token", "\"\(Self.token)\"")
    #expect(try sequence(folder.url, template: own) == sequence(plain.url, template: own))
    // Written by the template where the tokenizer has another one, both are there: so does transformers.
    let other = try self.folder(bos: "<|im_end|>")
    defer { other.remove() }
    let doubled = own.replacing("{{ bos_token }}", with: Self.token)
    let ids = try sequence(other.url, template: doubled).ids
    #expect(ids[0] == ids[1])
  }

  @Test("two tokens before a text, or one behind it, are refused by name")
  func refused() throws {
    for (before, behind) in [([Self.token, "<|im_end|>"], []), ([], ["<|im_end|>"]), ([Self.token], ["<|im_end|>"])] {
      let folder = try folder(before: before, behind: behind)
      defer { folder.remove() }
      #expect { try loadModel(folder.url) } throws: {
        "\($0)".contains("<|im_end|>") && "\($0)".contains(folder.url.path) && "\($0)".contains("post_processor")
      }
    }
  }
}
