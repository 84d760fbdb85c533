import Foundation
import Testing

@testable import Experiment

@Suite("Options in a file")
struct OptionsFileTests {
  private let options = ["layers": true, "lr": true, "dora": false, "quiet": false, "prompt": true]

  private func words(_ yaml: String, without given: Set<String> = []) throws -> [String] {
    try OptionsFile(yaml: yaml, file: "f.yaml").words(of: options, without: given)
  }

  @Test("values, lists and flags become the words of a command line; those given there are left out")
  func words() throws {
    let yaml = "lr: 1e-4\nlayers: [14, 15]\ndora: true\nquiet: false\nprompt: '- What?'"
    #expect(try words(yaml) == ["--dora", "--layers=14,15", "--lr=1e-4", "--prompt=- What?"])
    #expect(try words(yaml, without: ["lr", "prompt"]) == ["--dora", "--layers=14,15"])
  }

  @Test(
    "what is no option, or has no such value, is named with its line",
    arguments: [
      ("lr: 1\nrank: 8", "f.yaml:2: rank is not an option"), ("dora: 3", "f.yaml:1: dora must be true or false"),
      ("lr: {a: 1}", "f.yaml:1: lr must be"), ("lr:", "has no value"), ("- lr", "must hold keys and values"),
      ("lr: 1\nlr: 2", "keys to be unique"),
    ])
  func refused(_ yaml: String, _ text: String) {
    let error = #expect(throws: ExperimentError.self) { try words(yaml) }
    #expect(error?.description.contains(text) == true, "\(String(describing: error))")
  }

  @Test("underscores stand for hyphens, and not for another key of the same name")
  func underscores() throws {
    let file = try OptionsFile(yaml: "lora_rank: 4", file: "f")
    #expect(file.entries.map(\.name) == ["lora-rank"])
    #expect(throws: ExperimentError.self) { try OptionsFile(yaml: "lora_rank: 4\nlora-rank: 5", file: "f") }
  }
}
