import Demonstration
import Foundation
import ImageInput
import Jobs
import Kernels
import TensorCore
import TestSupport
import Testing
import VisionLanguage

@testable import Generation

/// What transformers' `generate` made of a tiny model, or of the demonstration model.
@Suite("Texts of transformers")
struct GoldenTests {
  private struct Golden: Decodable {
    let model: String
    let image: String
    let prompt: String
    let maxNewTokens: Int
    let numBeams: Int
    let ids: [Int32]
    let text: String

    enum CodingKeys: String, CodingKey {
      case model = "case"
      case image, prompt, ids, text
      case maxNewTokens = "max_new_tokens"
      case numBeams = "num_beams"
    }
  }

  @Test("the same tokens and text, greedily and by beam search", arguments: ["greedy", "beams"])
  func tokens(name: String) throws {
    let file = Goldens.root().appendingPathComponent("\(name).json")
    let goldens = try JSONDecoder().decode([Golden].self, from: Data(contentsOf: file))
    #expect(!goldens.isEmpty)
    for (name, goldens) in Dictionary(grouping: goldens, by: \.model) {
      let tiny = try #require(TinyCase.all.first { $0.name == name }, "no case \(name)")
      let model = try ModelRegistry.load(
        folder: tiny.model, context: ComputeContext(precision: .f32, team: ThreadTeam(count: 1)))
      for golden in goldens {
        let image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(golden.image))
        let tokens = try model.visualLayout(width: image.width, height: image.height).visualTokens
        var options = DecodingOptions()
        (options.maxNewTokens, options.beams) = (golden.maxNewTokens, golden.numBeams)
        let generator = TextGenerator(model, options: options)
        let question = try generator.question(golden.prompt, id: 0, visualTokens: tokens)
        let answer = try generator.answers(to: [question], about: image)[0]
        #expect(answer.ids == golden.ids, "\(name) \(golden.image) \(golden.prompt) \(golden.numBeams)")
        #expect(answer.text == golden.text, "\(name) \(golden.image) \(golden.prompt)")
      }
    }
  }

  private struct Description: Decodable {
    let seed: UInt64
    let description: String
  }

  @Test("the demonstration model describes held-out scenes as transformers does with it", arguments: Precision.allCases)
  func descriptions(precision: Precision) throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let goldens = try JSONDecoder().decode(
      [Description].self,
      from: Data(contentsOf: root.appendingPathComponent("tools/demo-model/goldens/descriptions.json")))
    try ScratchFolder.with { scratch in
      let folder = scratch.file("model")
      try DemoModel.write(to: folder)
      let model = try ModelRegistry.load(
        folder: folder, context: ComputeContext(precision: precision, team: ThreadTeam(count: 1)))
      let generator = TextGenerator(model, options: DecodingOptions())
      for golden in goldens {
        let picture = Scene(seed: golden.seed).draw()
        let image = RGBImage(width: Scene.side, height: Scene.side, pixels: picture.pixels)
        let tokens = try model.visualLayout(width: image.width, height: image.height).visualTokens
        let question = try generator.question(JobDefaults.prompt, id: 0, visualTokens: tokens)
        let answer = try generator.answers(to: [question], about: image)[0]
        #expect(answer.text == golden.description, "seed \(golden.seed)")
        #expect(answer.ids.last.map(model.stopTokens.contains) == true)
      }
    }
  }
}
