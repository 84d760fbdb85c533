import COCO
import Foundation
import HeadImpact
import Kernels
import RunSupport
import TestSupport
import Testing
import VisionLanguage

@testable import Scoring

@Suite("Units whose pictures are read in advance")
struct PreparedPicturesTests {
  @Test("have the same results, and the same reasons where they are skipped")
  func same() throws {
    try ScratchFolder.with { scratch in
      let tiny = TinyCase.nested
      var edited = try EditedDataset(tiny, in: scratch)
      try FileManager.default.removeItem(at: edited.images.appendingPathComponent("0002.png"))
      let jpeg = edited.images.appendingPathComponent("0003.jpg")
      try Data(contentsOf: jpeg).prefix(900).write(to: jpeg)
      try edited.edit("images", 4) { $0["width"] = 261 }
      let model = try ModelRegistry.load(
        folder: tiny.model, input: InputOptions(), backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
      let dataset = try KeyObjectDataset(contentsOf: edited.file)
      let configuration = ScoreConfiguration(
        model: tiny.model, dataset: edited.file, images: edited.images, output: scratch.file("hi.h5"))
      let plan = ScoringPlan(
        dataset, limit: nil, prompt: configuration.prompt, dimensions: model.dimensions, layout: model.visualLayout)
      let scorer = UnitScorer(model: model, configuration: configuration)
      let plain = Pictures(in: edited.images, missing: ["0002.png"])
      let processor = model.processor
      let ahead = plain.readAhead { image in try processor.callAsFunction(image) }
      #expect(plan.units.count > 3)
      for (index, unit) in plan.units.enumerated() {
        if index == 0 { ahead.prepare(unit.image.fileName) }
        // As in a run: the next one's while this one is computed.
        let result = try scorer.score(unit, pictures: ahead) {
          if index + 1 < plan.units.count { ahead.prepare(plan.units[index + 1].image.fileName) }
        }
        let expected = try scorer.score(unit, pictures: plain) {}
        #expect(result.result == expected.result && result.isTurned == expected.isTurned)
      }
    }
  }
}
