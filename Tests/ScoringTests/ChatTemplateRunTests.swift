import Foundation
import HDF5Store
import TestSupport
import Testing

extension ScoringRuns {
  /// The case chat-template-ignored: values by transformers' `apply_chat_template` and eager attention.
  @Suite(
    "Scoring with a folder's own chat template",
    .enabled(if: SharedData.has("cases/chat-template-ignored"), "\(SharedData.absence)"))
  struct ChatTemplateRunTests {
    struct Right: Sendable {
      let template: String?
      let tokens: Int32
      let mean: Double
      /// layer, head, matched.
      let heads: [(Int, Int, Double)]

      static let all = [
        Right(template: nil, tokens: 103, mean: 0.200930, heads: [(3, 7, 0.6627), (5, 5, 0.6)]),
        Right(
          template: "other-system.jinja", tokens: 122, mean: 0.190464,
          heads: [(3, 7, 0.6627), (5, 5, 0.6), (6, 3, 0.5278), (2, 6, 0.5056)]),
        Right(
          template: "no-turns.jinja", tokens: 82, mean: 0.159239,
          heads: [(3, 7, 0.6444), (4, 6, 0.6389), (6, 3, 0.5167), (1, 3, 0.5056)]),
      ]
    }

    private func text(_ name: String) throws -> String {
      String(decoding: try Data(contentsOf: SharedData.file("cases/chat-template-ignored/\(name)")), as: UTF8.self)
    }

    private func json(_ object: [String: String]) throws -> Data { try JSONSerialization.data(withJSONObject: object) }

    private func score(_ demo: URL, to output: URL, _ more: [String] = []) -> [String] {
      [
        "score", "--model", demo.appendingPathComponent("model").path, "--dataset",
        demo.appendingPathComponent("dataset/keyobjects.json").path, "--images",
        demo.appendingPathComponent("dataset/images").path, "--precision", "f32", "--bootstrap", "10", "--quiet",
        "--output", output.path,
      ] + more
    }

    private func check(_ output: URL, _ right: Right) throws {
      #expect(try values("sequence_tokens", as: Int32.self, in: output).first == right.tokens)
      let heads = 8
      let matched = try Array(values("hi", as: Double.self, in: output).prefix(8 * heads))
      #expect(abs(matched.reduce(0, +) / Double(matched.count) - right.mean) < 5e-6)
      for (layer, head, value) in right.heads { #expect(abs(matched[layer * heads + head] - value) < 1e-4) }
    }

    private func attribute(_ name: String, of output: URL) throws -> String {
      guard case .string(let text) = try HDF5File.read(from: output.path, { try $0.attribute(name) }) else { return "" }
      return text
    }

    @Test("the numbers are the template's, wherever the folder keeps it, and hi.h5 says which it was")
    func templates() async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "6"])
        let model = demo.appendingPathComponent("model")
        let jinja = model.appendingPathComponent("chat_template.jinja")
        let own = try Data(contentsOf: jinja)
        var digests: Set<String> = []
        for right in Right.all {
          let output = scratch.file("\(right.tokens).h5")
          if let name = right.template { try Data(text(name).utf8).write(to: jinja) }
          try await succeed(score(demo, to: output))
          try check(output, right)
          digests.insert(try attribute("chat_template_sha256", of: output))
          #expect(try attribute("model_files_sha256", of: output).contains("  config.json\n"))
        }
        #expect(digests.count == 3)

        try FileManager.default.removeItem(at: jinja)
        try await fail(score(demo, to: scratch.file("none.h5")), saying: "--chat-template")
        let legacy = model.appendingPathComponent("chat_template.json")
        try json(["chat_template": text("other-system.jinja")]).write(to: legacy)
        try await succeed(score(demo, to: scratch.file("legacy.h5")))
        try check(scratch.file("legacy.h5"), Right.all[1])
        try FileManager.default.removeItem(at: legacy)

        let file = model.appendingPathComponent("tokenizer_config.json")
        let config = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
        try JSONSerialization.data(
          withJSONObject: config.merging(["chat_template": text("no-turns.jinja")]) { $1 }
        ).write(to: file)
        try await succeed(score(demo, to: scratch.file("tokenizer.h5")))
        try check(scratch.file("tokenizer.h5"), Right.all[2])

        try own.write(to: scratch.file("own.jinja"))
        try await succeed(
          score(demo, to: scratch.file("given.h5"), ["--chat-template", scratch.file("own.jinja").path]))
        try check(scratch.file("given.h5"), Right.all[0])
      }
    }

    @Test("every verb that loads a model refuses a folder without a template, and takes one from --chat-template")
    func verbs() async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "2"])
        let template = scratch.file("own.jinja")
        try FileManager.default.moveItem(at: demo.appendingPathComponent("model/chat_template.jinja"), to: template)
        let model = ["--model", demo.appendingPathComponent("model").path]
        let objects = demo.appendingPathComponent("dataset/keyobjects.json").path
        let images = ["--images", demo.appendingPathComponent("dataset/images").path]
        let data = model + images + ["--dataset", objects]
        let verbs: [[String]] = [
          ["generate"] + data + ["--max-new-tokens", "2"],
          ["train"] + data + ["--layers", "0", "--steps", "1", "--quiet"],
          ["ablate"] + data + ["--head", "0.1", "--bootstrap", "10"],
          ["attend"] + data + ["--annotation", "1", "--head", "0.1"],
          ["dataset", "preview"] + data + ["--limit", "1"],
          ["dataset", "build"] + model + images
            + ["--instances", objects, "--choose", "largest", "--describe", "category", "--max-area", "1"],
        ]
        for (index, verb) in verbs.enumerated() {
          let output = ["--output", scratch.file("out\(index)").path]
          try await fail(verb + output, saying: "no chat template", "--chat-template")
          try await succeed(verb + output + ["--chat-template", template.path])
        }
        try await fail(["doctor"] + model, saying: "no chat template", "--chat-template")
        let doctor = try await succeed(["doctor"] + model + ["--chat-template", template.path, "--threads", "1"])
        #expect(doctor.standardOutput.contains("own.jinja"))
      }
    }

    @Test("training and ablating refuse a template that ends an answer with nothing; generating and scoring take it")
    func noEndOfTurn() async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "2"])
        let data = [
          "--model", demo.appendingPathComponent("model").path, "--dataset",
          demo.appendingPathComponent("dataset/keyobjects.json").path, "--images",
          demo.appendingPathComponent("dataset/images").path, "--chat-template",
          SharedData.file("cases/chat-template-ignored/no-turns.jinja").path, "--output", scratch.file("out").path,
        ]
        try await fail(["train", "--layers", "0"] + data, saying: "no-turns.jinja")
        try await fail(["ablate", "--head", "0.1"] + data, saying: "no-turns.jinja")
        try await succeed(["generate", "--max-new-tokens", "2"] + data)
      }
    }

    @Test("a run doesn't continue with another template or another file of the folder, and names it")
    func resuming() async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "2"])
        let output = scratch.file("hi.h5")
        try await succeed(score(demo, to: output))
        try await succeed(score(demo, to: output, ["--resume"]))
        let other = SharedData.file("cases/chat-template-ignored/other-system.jinja").path
        try await fail(score(demo, to: output, ["--resume", "--chat-template", other]), saying: "chat template")
        let file = demo.appendingPathComponent("model/tokenizer_config.json")
        try Data(Data(contentsOf: file) + Data("\n".utf8)).write(to: file)
        try await fail(score(demo, to: output, ["--resume"]), saying: "tokenizer_config.json")
      }
    }
  }
}
