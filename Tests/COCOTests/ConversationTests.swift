import Foundation
import TestSupport
import Testing

@testable import COCO

@Suite("Files of conversations")
struct ConversationTests {
  private func read(_ text: String) throws -> ImageTextDataset {
    try ImageTextDataset(json: Array(text.utf8), name: "chat") { [] }
  }

  /// What is wrong with the one record of a file.
  private func problem(_ record: String) throws -> String {
    let dataset = try read(record)
    #expect(dataset.examples.isEmpty && dataset.problems.lostSamples == 1)
    return dataset.problems.listed.first?.description ?? ""
  }

  @Test(
    "every form of a picture, a question and an answer is the same example",
    arguments: [
      // OpenAI
      #"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.jpg"}}, "#
        + #"{"type": "text", "text": "What is it?"}]}, {"role": "assistant", "content": "A dog."}]}"#,
      // transformers
      #"{"messages": [{"role": "user", "content": [{"type": "image", "path": "a.jpg"}, {"type": "text", "text": "What is it?"}]}, "#
        + #"{"role": "assistant", "content": [{"type": "text", "text": "A dog."}]}]}"#,
      #"{"images": ["a.jpg"], "messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}, "#
        + #"{"role": "assistant", "content": "A dog."}], "tools": []}"#,
      // LLaMA-Factory
      #"{"images": ["a.jpg"], "messages": [{"role": "user", "content": "<image>What is it?"}, {"role": "assistant", "content": "A dog."}]}"#,
      // LLaVA, as a list and as a line
      #"[{"id": "00a", "image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, "#
        + #"{"from": "gpt", "value": "A dog."}]}]"#,
      #"{"image": "a.jpg", "conversations": [{"from": "human", "value": "What is it?\n<image>"}, {"from": "gpt", "value": "A dog."}]}"#,
      // Spread over lines
      "{\n\"image\": \"a.jpg\",\n\"messages\": [{\"role\": \"user\", \"content\": \"What is it?\"}, "
        + "{\"role\": \"assistant\", \"content\": \"A dog.\"}]\n}\n",
    ])
  func forms(_ text: String) throws {
    let dataset = try read(text)
    #expect(dataset.problems.isEmpty, "\(dataset.warnings)")
    #expect(dataset.kind == .questions && dataset.system == nil)
    #expect(
      dataset.examples == [
        ImageTextExample(id: 0, imageID: 0, fileName: "a.jpg", size: nil, prompt: "What is it?", target: "A dog.")
      ])
  }

  private func line(_ image: String, _ question: String, more: String = "") -> String {
    #"{\#(more)"image": "\#(image)", "conversations": [{"from": "human", "value": "\#(question)"}, "#
      + #"{"from": "gpt", "value": "yes"}]}"#
  }

  @Test(
    "a line each; the id is the place, or the record's own where all have one of their own; pictures are counted once")
  func ids() throws {
    let plain = try read([line("a", "1?"), "", line("b", "2?"), line("a", "3?")].joined(separator: "\r\n"))
    #expect(plain.examples.map(\.id) == [0, 1, 2] && plain.examples.map(\.imageID) == [0, 1, 0])
    let stated = try read(line("a", "1?", more: #""id": "09", "#) + "\n" + line("b", "2?", more: #""id": 4, "#))
    #expect(stated.examples.map(\.id) == [4, 9] && stated.examples.map(\.prompt) == ["2?", "1?"])
    let repeated = try read(line("a", "1?", more: #""id": 4, "#) + "\n" + line("b", "2?", more: #""id": 4, "#))
    #expect(repeated.examples.map(\.id) == [0, 1])
  }

  @Test(
    "what isn't one question about one picture is left out, and named",
    arguments: [
      (#"{"messages": [{"role": "user", "content": "What?"}]}"#, "names no picture"),
      (#"{"images": ["a", "b"], "messages": [{"role": "user", "content": "What?"}]}"#, "shows 2 pictures"),
      (#"{"image": "a", "messages": [{"role": "user", "content": "<image><image> What?"}]}"#, "shows 2 pictures"),
      (#"{"image": "a", "messages": [{"role": "user", "content": "<image>\n"}]}"#, "asks nothing"),
      (
        #"{"image": "a", "messages": [{"role": "assistant", "content": "Yes."}]}"#, "doesn't begin with the user's turn"
      ),
      (#"{"image": "a", "messages": []}"#, "doesn't begin with the user's turn"),
      (#"{"image": "a", "messages": 3}"#, "is no list of turns"),
      (
        #"{"image": "a", "messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}, "#
          + #"{"role": "user", "content": "3"}]}"#, "has 3 turns"
      ),
      (
        #"{"image": "a", "messages": [{"role": "user", "content": "1"}, {"role": "user", "content": "2"}]}"#,
        "is no answer"
      ),
      (
        #"{"image": "a", "messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "<image>"}]}"#,
        "shows a picture in the answer"
      ),
      (
        #"{"image": "a", "messages": [{"role": "user", "content": "1"}, {"role": "tool", "content": "2"}]}"#,
        "calls a tool"
      ),
      (
        #"{"image": "a", "messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "", "#
          + #""tool_calls": [{"id": "x"}]}]}"#, "calls a tool"
      ),
      (#"{"image": "a", "tools": [{}], "messages": [{"role": "user", "content": "1"}]}"#, "offers tools"),
      (#"{"image": "a", "messages": [{"role": "narrator", "content": "1"}]}"#, "has the role \"narrator\""),
      (#"{"image": "a", "messages": [{"role": "user", "content": [{"type": "video"}]}]}"#, "is of the type \"video\""),
      (
        #"{"image": "data:image/png;base64,AA", "messages": [{"role": "user", "content": "1"}]}"#,
        "holds the picture itself"
      ),
      (#"{"image": "https://x/a.jpg", "messages": [{"role": "user", "content": "1"}]}"#, "on the web"),
      (#"{"image": "a", "messages": [{"role": "user"}]}"#, "has no \"content\""),
      (#"{"image": "a", "messages": [{"content": "1"}]}"#, "has no \"role\""),
    ])
  func leftOut(_ record: String, _ words: String) throws {
    let problem = try problem(record)
    #expect(problem.hasPrefix("conversation 0 (line 1.") && problem.contains(words), "\(problem)")
  }

  @Test("a line that isn't JSON costs itself alone")
  func brokenLine() throws {
    let dataset = try read(line("a", "1?") + "\n" + line("b", "2?").dropLast(3) + "\n" + line("c", "3?"))
    #expect(dataset.examples.map(\.id) == [0, 2])
    #expect(dataset.warnings.first?.contains("line 2") == true, "\(dataset.warnings)")
  }

  @Test("a system's turn is that of most; another's conversation is left out")
  func system() throws {
    let told = #""system": "Be brief.", "#
    let dataset = try read(
      [line("a", "1?", more: told), line("b", "2?", more: told), line("c", "3?")].joined(separator: "\n"))
    #expect(dataset.system == "Be brief." && dataset.examples.map(\.id) == [0, 1])
    #expect(dataset.problems.listed.first?.problem.contains("another system's turn") == true)
    #expect(dataset.first(1).system == "Be brief.")
    let turn = try read(
      #"{"image": "a", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1?"}]}"#)
    #expect(turn.system == "Be brief." && turn.examples.first?.target == nil)
  }

  @Test("a COCO or VQA file is none, wherever its keys stand")
  func others() {
    for text in [
      #"{"images": [], "annotations": []}"#, #"{"info": {"conversations": 1}, "images": []}"#,
      #"{"questions": [], "messages": []}"#, "[]", "[1]", "3", "", "{", #"[{"image_id": 1, "caption": "a"}]"#,
    ] { #expect(!ConversationFile.recognises(Array(text.utf8)), "\(text)") }
  }

  @Test("answers are references of their conversations; VQA's accuracy takes none")
  func references() throws {
    let json = Array([line("a", "1?"), line("b", "2?")].joined(separator: "\n").utf8)
    let references = try CaptionReferences(json: json, name: "chat")
    #expect(references.kind == .questions)
    #expect(references.images == [.init(id: 0, texts: ["yes"]), .init(id: 1, texts: ["yes"])])
    let error = #expect(throws: COCOError.self) { try AnsweredQuestions(json: json, name: "chat") }
    #expect(error?.problem.contains("--references") == true)
  }
}
