import Foundation
import IO
import TestSupport
import Testing

@testable import VisionLanguage

/// A template that shows its name, so that one sees which was taken.
private func template(_ name: String, ending: String = "<|im_end|>\n") -> String {
  """
  {% for m in messages %}\(name) {{ m.role }}: {% for c in m.content %}{% if c.type == 'image' %}<|image_pad|>\
  {% else %}{{ c.text }}{% endif %}{% endfor %}\(ending){% endfor %}{% if add_generation_prompt %}\(name) assistant: \
  {% endif %}
  """
}

private func json(_ text: String) throws -> String {
  String(decoding: try JSONSerialization.data(withJSONObject: text, options: .fragmentsAllowed), as: UTF8.self)
}

@Suite("The model folder's chat template")
struct ChatTemplateTests {
  /// A checkpoint whose templates were taken away.
  private func bare<R>(_ body: (ModelFolder) throws -> R) throws -> R {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try FileManager.default.removeItem(at: folder.file("chat_template.jinja"))
    return try body(folder)
  }

  private func question(_ folder: ModelFolder, override: URL? = nil) throws -> String {
    try chat(folder, override: override).question("What?").text
  }

  private func chat(_ folder: ModelFolder, override: URL? = nil) throws -> ChatPrompt {
    try ChatPrompt(
      ChatTemplateSource.find(in: folder.url, override: override), specialTokens: [],
      placeholder: Qwen2VLImageProcessor.placeholder)
  }

  // MARK: - Where it is found

  @Test("a folder without one is refused, naming the way out")
  func none() throws {
    try bare { folder in
      #expect { try loadModel(folder.url) } throws: { "\($0)".contains("--chat-template") }
      #expect { try ModelFiles(folder: folder.url, chatTemplate: nil) } throws: { "\($0)".contains("--chat-template") }
    }
  }

  @Test("tokenizer_config.json, chat_template.jinja, chat_template.json, processor_config.json: the later wins")
  func precedence() throws {
    try bare { folder in
      try folder.edit("tokenizer_config.json", "chat_template", try json(template("T")))
      #expect(try question(folder).hasPrefix("T user"))
      try folder.write(template("J"), to: "chat_template.jinja")
      #expect(try question(folder).hasPrefix("J user"))
      try folder.write("{\"chat_template\": \(try json(template("L")))}", to: "chat_template.json")
      #expect(try question(folder).hasPrefix("L user"))
      try folder.write("{\"chat_template\": \(try json(template("P")))}", to: "processor_config.json")
      #expect(try question(folder).hasPrefix("P user"))
      let remarks = try chat(folder).remarks
      #expect(remarks.count == 3 && remarks.allSatisfy { $0.contains("processor_config.json") })
      for (name, text) in [
        ("own.jinja", template("O")), ("own.json", "{\"chat_template\": \(try json(template("O")))}"),
      ] {
        try folder.write(text, to: name)
        #expect(try question(folder, override: folder.file(name)).hasPrefix("O user"))
        #expect(try chat(folder, override: folder.file(name)).remarks.isEmpty)
      }
    }
  }

  @Test("the same template in two places needs no remark")
  func same() throws {
    try bare { folder in
      try folder.edit("tokenizer_config.json", "chat_template", try json(template("T")))
      try folder.write(template("T"), to: "chat_template.jinja")
      #expect(try chat(folder).remarks.isEmpty)
    }
  }

  @Test("of several named ones the default is used; without one the names are reported")
  func named() throws {
    try bare { folder in
      let tool = "{\"name\": \"tool_use\", \"template\": \"x\"}"
      let own = "{\"name\": \"default\", \"template\": \(try json(template("D")))}"
      try folder.edit("tokenizer_config.json", "chat_template", "[\(tool), \(own)]")
      #expect(try question(folder).hasPrefix("D user"))
      try folder.edit("tokenizer_config.json", "chat_template", "[\(tool)]")
      #expect { try chat(folder) } throws: {
        "\($0)".contains("tool_use") && "\($0)".contains("--chat-template")
      }
    }
  }

  @Test("a folder of additional templates alone gives none, and excludes chat_template.json, as in transformers")
  func additional() throws {
    try bare { folder in
      try FileManager.default.createDirectory(
        at: folder.file("additional_chat_templates"), withIntermediateDirectories: true)
      try folder.write(template("A"), to: "additional_chat_templates/rag.jinja")
      #expect { try chat(folder) } throws: { "\($0)".contains("rag") }
      try folder.write(template("J"), to: "chat_template.jinja")
      #expect(try question(folder).hasPrefix("J user"))
      try folder.write("{\"chat_template\": \(try json(template("L")))}", to: "chat_template.json")
      #expect { try chat(folder) } throws: { "\($0)".contains("additional_chat_templates") }
    }
  }

  @Test(
    "a file that is not a template is refused by name",
    arguments: [
      ("chat_template.json", "{}"), ("chat_template.json", "[]"), ("chat_template.json", "{\"chat_template\": 7}"),
      ("chat_template.json", "{\"chat_template\": [7]}"),
      ("chat_template.json", "{\"chat_template\": [{\"name\": 1}]}"),
      ("chat_template.json", "{\"chat_template\": {\"default\": null}}"), ("chat_template.json", ""),
      ("chat_template.jinja", "{% for %}"), ("chat_template.jinja", "{{ unclosed"), ("chat_template.jinja", ""),
      ("processor_config.json", "{\"chat_template\": false}"),
    ])
  func broken(_ name: String, _ text: String) throws {
    try bare { folder in
      try folder.write(text, to: name)
      #expect { try loadModel(folder.url) } throws: { "\($0)".contains(name) }
    }
  }

  @Test("bytes that are no UTF-8 or too many, and a link that leads nowhere, are refused, naming the file")
  func unreadable() throws {
    try bare { folder in
      let file = folder.file("chat_template.jinja")
      for bytes in [Data([0x41, 0xFF, 0x42]), Data(repeating: 0x20, count: 5 << 20)] {
        try bytes.write(to: file)
        #expect { try chat(folder) } throws: { "\($0)".contains("chat_template.jinja") }
      }
      try FileManager.default.removeItem(at: file)
      try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: "/nowhere/at/all")
      #expect { try chat(folder) } throws: { "\($0)".contains("chat_template.jinja") }
    }
  }

  @Test("ends of lines are read as Python reads them")
  func lineEnds() throws {
    try bare { folder in
      try folder.write(template("A\r\nB\rC"), to: "chat_template.jinja")
      #expect(try question(folder).hasPrefix("A\nB\nC user"))
    }
  }

  // MARK: - What it says

  @Test(
    "a template that doesn't show the image, the prompt and the answer once each, in this order, is refused",
    arguments: [
      "{{ messages[0].content[1].text }}{{ messages[1].content[0].text if messages|length > 1 }}",
      "<|image_pad|><|image_pad|>{{ messages[0].content[1].text }}{{ messages[1].content[0].text if messages|length > 1 }}",
      "<|image_pad|>{{ messages[1].content[0].text if messages|length > 1 }}",
      "<|image_pad|>{{ messages[0].content[1].text }}",
      "<|image_pad|>{{ messages[0].content[1].text }}{% if messages|length > 1 %}{{ messages[1].content[0].text * 2 }}{% endif %}",
      "<|image_pad|>{{ messages[0].content[1].text }}{{ messages[1].content[0].text | upper if messages|length > 1 }}",
      "{{ messages[0].content[1].text }}{{ messages[1].content[0].text if messages|length > 1 }}<|image_pad|>",
      "{{ messages[1].content[0].text if messages|length > 1 }}<|image_pad|>{{ messages[0].content[1].text }}",
      "{% for m in messages %}{{ m.content }}{% endfor %}", "{{ raise_exception('no') }}",
      "{{ strftime_now('%Y') }}<|image_pad|>",
    ])
  func unusable(_ text: String) throws {
    try bare { folder in
      try folder.write(text, to: "chat_template.jinja")
      #expect { try loadModel(folder.url) } throws: {
        ($0 as? ConfigurationError)?.path.contains("chat_template.jinja") == true && "\($0)".contains("--chat-template")
      }
    }
  }

  @Test("a template that changes one answer costs that sample alone")
  func changed() throws {
    try bare { folder in
      try folder.write(
        "<|image_pad|>{{ messages[0].content[1].text }}:{% for m in messages[1:] %}"
          + "{{ m.content[0].text | replace('cat', 'dog') }}<|im_end|>{% endfor %}", to: "chat_template.jinja")
      let chat = try chat(folder)
      #expect(try chat.conversation(prompt: "What?", answer: "a bird").text.hasSuffix("What?:a bird<|im_end|>"))
      #expect { try chat.conversation(prompt: "What?", answer: "a cat") } throws: {
        $0 is any ContentFault && "\($0)".contains("a cat")
      }
    }
  }

  @Test("an image that comes after the prompt is found there, whatever the prompt holds")
  func imageBehindPrompt() throws {
    try bare { folder in
      try folder.write(
        "{{ messages[0].content[1].text }} <|image_pad|>:{% for m in messages[1:] %}{{ m.content[0].text }}<|im_end|>{% endfor %}",
        to: "chat_template.jinja")
      let model = try loadModel(folder.url)
      let plain = try model.sequence(prompt: "x", description: "y", layout: .row(of: 5))
      let named = try model.sequence(prompt: "<|image_pad|>", description: "y", layout: .row(of: 5))
      #expect(plain.visual.count == 5 && named.visual.count == 5)
      #expect(named.visual.positions[0] > 0 && Int(named.ids[0]) == model.configuration.imageTokenId)
    }
  }

  @Test("a prompt that the template trims is not an error")
  func trimmed() throws {
    try bare { folder in
      try folder.write(
        "<|image_pad|>{{ messages[0].content[1].text | trim }}:{% for m in messages[1:] %}{{ m.content[0].text }}<|im_end|>{% endfor %}",
        to: "chat_template.jinja")
      #expect(try chat(folder).conversation(prompt: " x ", answer: "y").text == "<|image_pad|>x:y<|im_end|>")
    }
  }

  @Test("special tokens of the tokenizer are the template's variables; what is none there prints as nothing")
  func specialTokens() throws {
    try bare { folder in
      try folder.write(
        "{{ bos_token }}|{{ eos_token }}|{{ image_token }}|" + template("X"), to: "chat_template.jinja")
      try folder.edit(
        "tokenizer_config.json", "bos_token", "{\"__type\": \"AddedToken\", \"content\": \"<s>\", \"lstrip\": false}")
      try folder.edit("tokenizer_config.json", "image_token", "\"<|image|>\"")
      #expect(try loadModel(folder.url).chat.question("What?").text.hasPrefix("<s>|<|im_end|>|<|image|>|X user"))
      try folder.edit("tokenizer_config.json", "bos_token", "null")
      #expect(try loadModel(folder.url).chat.question("What?").text.hasPrefix("|<|im_end|>|"))
      try folder.edit("tokenizer_config.json", "eos_token", nil)
      #expect(try loadModel(folder.url).chat.question("What?").text.hasPrefix("||"))
      // The class that transformers takes for the family has tokens of its own.
      try folder.edit("tokenizer_config.json", "tokenizer_class", "\"Qwen2Tokenizer\"")
      #expect(try loadModel(folder.url).chat.question("What?").text.hasPrefix("|<|endoftext|>|"))
    }
  }

  @Test("without a text behind the answer there is nothing to learn at its end: scoring works, training is refused")
  func noEnding() throws {
    try bare { folder in
      try folder.write(template("X", ending: ""), to: "chat_template.jinja")
      let model = try loadModel(folder.url)
      let sequence = try model.sequence(prompt: "What?", description: "a red square", layout: .row(of: 4))
      #expect(sequence.caption.last == sequence.ids.count - 1)
      #expect(sequence.supervised == Array(sequence.ids[sequence.caption[0]...]))
      #expect { try model.chat.requireEndOfTurn() } throws: { "\($0)".contains("--chat-template") }
    }
  }

  @Test(
    "a generation prompt that differs from a conversation's answer, and an answer without a stop token, are reported")
  func remarks() throws {
    try bare { folder in
      try folder.write(template("X"), to: "chat_template.jinja")
      let plain = try loadModel(folder.url).remarks
      #expect(plain.training.isEmpty && plain.general.isEmpty)
      try folder.write(template("X") + "{% if add_generation_prompt %}<think>{% endif %}", to: "chat_template.jinja")
      let thinking = try loadModel(folder.url).remarks
      #expect(thinking.training.count == 1 && thinking.generating.count == plain.generating.count + 1)
      try folder.write(template("X", ending: " .<|im_end|>"), to: "chat_template.jinja")
      #expect(try loadModel(folder.url).remarks.training.count == 1)
    }
  }
}
