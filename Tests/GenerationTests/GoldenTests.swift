import Demonstration
import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing
import VisionLanguage

@testable import Decoding
@testable import Generation

/// What transformers' `generate` gives on the committed tiny checkpoints (tools/goldens/generation).
@Suite("Agreement with transformers' generate")
struct GoldenTests {
  struct Golden: Decodable {
    let `case`: String
    let image: String
    let prompt: String
    let max_new_tokens: Int
    let num_beams: Int
    let repetition_penalty: Double?
    let ids: [Int32]
    let text: String

    /// Of a checkpoint: a folder of its own, or its part of the file that some share.
    static func all(_ kind: String, of tiny: TinyCase) throws -> [Golden] {
      let root = Goldens.root()
      let own = root.appendingPathComponent("\(tiny.name)/\(kind).json")
      let isOwn = FileManager.default.fileExists(atPath: own.path)
      let file = isOwn ? own : root.appendingPathComponent("\(kind).json")
      let goldens = try JSONDecoder().decode([Golden].self, from: Data(contentsOf: file))
      #expect(goldens.count >= (isOwn ? 8 : 50))
      return goldens.filter { $0.case == tiny.name }
    }
  }

  @Test("tokens are the same, one by one", arguments: ["greedy", "beams", "penalty"])
  func tokens(_ kind: String) throws {
    for tiny in TinyCase.all {
      let goldens = try Golden.all(kind, of: tiny)
      let model = try ModelRegistry.load(
        folder: tiny.model, input: InputOptions(resizing: .pillow),
        backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
      for golden in goldens {
        var options = DecodingOptions()
        options.maxNewTokens = golden.max_new_tokens
        options.beams = golden.num_beams
        options.repetitionPenalty = golden.repetition_penalty
        let image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(golden.image))
        // A second question shares the image's rows: it must change nothing.
        let answers = try TextGenerator(model, options: options)
          .answers(image: image, prompts: [(0, golden.prompt), (1, "Another one?"), (2, golden.prompt)])
        #expect(answers[0].ids == golden.ids, "\(tiny.name) \(golden.image) \(golden.prompt)")
        #expect(answers[0].text == golden.text)
        #expect(answers[2] == answers[0])
      }
    }
  }

  @Test("the demonstration model describes held-out scenes as transformers' generate has it")
  func descriptions() throws {
    struct Known: Decodable {
      let seed: UInt64
      let description: String
    }
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../tools/demo-model/goldens/descriptions.json")
    let known = try JSONDecoder().decode([Known].self, from: Data(contentsOf: file))
    try ScratchFolder.with { scratch throws in
      try DemoModel.write(to: scratch.file("model"))
      let model = try ModelRegistry.load(
        folder: scratch.file("model"), backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
      let generator = TextGenerator(model, options: DecodingOptions())
      for golden in known {
        let image = RGBImage(width: Scene.side, height: Scene.side, pixels: Scene(seed: golden.seed).draw().pixels)
        let answers = try generator.answers(image: image, prompts: [(0, "Describe the main object in the image.")])
        #expect(answers[0].text == golden.description, "seed \(golden.seed)")
      }
      #expect(known.count >= 20)
    }
  }
}
