import Demonstration
import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing
import VisionLanguage

@testable import Decoding
@testable import Generation

@Suite("Descriptions of the demonstration model")
struct DescriptionTests {
  private struct Known: Decodable {
    let seed: UInt64
    let description: String
  }

  @Test("held-out scenes get the descriptions that transformers' generate gives them", arguments: Precision.allCases)
  func descriptions(precision: Precision) throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../tools/demo-model/goldens/descriptions.json")
    let known = try JSONDecoder().decode([Known].self, from: Data(contentsOf: file))
    #expect(known.count >= 20)
    try ScratchFolder.with { scratch in
      let folder = scratch.file("model")
      try DemoModel.write(to: folder)
      let model = try ModelRegistry.load(
        folder: folder, backend: CPUBackend(precision: precision, team: ThreadTeam(count: 1)))
      let generator = TextGenerator(model, options: DecodingOptions())
      for known in known {
        let picture = Scene(seed: known.seed).draw()
        let answer = try generator.answers(
          image: RGBImage(width: Scene.side, height: Scene.side, pixels: picture.pixels),
          prompts: [(id: 0, text: "Describe the main object in the image.")])[0]
        #expect(answer.text == known.description, "seed \(known.seed)")
        #expect(answer.ids.last.map(model.stopTokens.contains) == true)
      }
    }
  }
}
