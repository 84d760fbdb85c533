import Foundation
import HDF5Store
import TestSupport
import Testing

extension ScoringRuns {
  @Suite("Runs with a system's turn (--system)")
  struct SystemRunTests {
    private func attribute(_ name: String, of output: URL) throws -> String? {
      guard case .string(let text) = try HDF5File.read(from: output.path, { try $0.attribute(name) }) else {
        return nil
      }
      return text
    }

    private func demo(_ scratch: ScratchFolder, scenes: Int) async throws -> (model: URL, data: [String]) {
      let demo = scratch.file("demo")
      try await succeed(["demo", "--output", demo.path, "--scenes", "\(scenes)"])
      let model = demo.appendingPathComponent("model")
      return (
        model,
        [
          "--model", model.path, "--dataset", demo.appendingPathComponent("dataset/keyobjects.json").path, "--images",
          demo.appendingPathComponent("dataset/images").path,
        ]
      )
    }

    @Test(
      "the template's own system text given as the option gives the same numbers, another one others; hi.h5 says it")
    func score() async throws {
      try await ScratchFolder.with { scratch in
        let data = try await demo(scratch, scenes: 4).data
        let common = ["score"] + data + ["--precision", "f32", "--bootstrap", "10", "--quiet", "--output"]
        func run(_ name: String, _ system: String?) async throws -> (hi: [Double], tokens: Int32?, output: URL) {
          let output = scratch.file(name)
          try await succeed(common + [output.path] + (system.map { ["--system", $0] } ?? []))
          #expect(try attribute("system", of: output) == system)
          return (
            try values("hi", as: Double.self, in: output),
            try values("sequence_tokens", as: Int32.self, in: output).first, output
          )
        }
        let plain = try await run("plain.h5", nil)
        let same = try await run("same.h5", "You are a helpful assistant.")
        let other = try await run("other.h5", "Be terse.")
        #expect(plain.hi == same.hi && plain.tokens == same.tokens)
        #expect(other.hi != plain.hi && other.tokens != plain.tokens)
        // Finished, and so of another run: neither one without it nor one with another continues from it.
        for system in [[], ["--system", "Be brief."]] {
          try await fail(common + [other.output.path, "--resume"] + system, saying: "--system was Be terse.")
        }
        try await succeed(common + [other.output.path, "--resume", "--system", "Be terse."])
      }
    }

    @Test("every verb that shows the model a chat takes it, and refuses a template without a place for it")
    func verbs() async throws {
      try await ScratchFolder.with { scratch in
        let (model, data) = try await demo(scratch, scenes: 2)
        let objects = data[3]
        let verbs: [[String]] = [
          ["score"] + data + ["--bootstrap", "10"], ["generate"] + data + ["--max-new-tokens", "2"],
          ["train"] + data + ["--layers", "0", "--steps", "1", "--quiet"],
          ["ablate"] + data + ["--head", "0.1", "--bootstrap", "10"],
          ["attend"] + data + ["--annotation", "1", "--head", "0.1"],
          ["dataset", "build", "--model", model.path, "--images", data[5], "--instances", objects]
            + ["--choose", "largest", "--describe", "model", "--max-area", "1"],
        ]
        let jinja = model.appendingPathComponent("chat_template.jinja")
        let own = try String(contentsOf: jinja, encoding: .utf8)
        let deaf = scratch.file("deaf.jinja")
        try Data(("{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}" + own).utf8)
          .write(to: deaf)
        for (index, verb) in verbs.enumerated() {
          func all(_ output: String) -> [String] {
            verb + ["--output", scratch.file(output).path, "--system", "Be terse."]
          }
          try await fail(
            all("deaf\(index)") + ["--chat-template", deaf.path], saying: "--system", "no place for a system's turn")
          try await succeed(all("out\(index)"))
        }
      }
    }
  }
}
