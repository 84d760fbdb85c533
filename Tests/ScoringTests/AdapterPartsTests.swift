import Foundation
import HDF5Store
import TestSupport
import Testing

extension ScoringRuns {
  /// The case adapter-parts of the shared data: the demonstration model with adapters that PEFT made.
  @Suite("Adapters as PEFT saves them", .enabled(if: SharedData.has("cases/adapter-parts"), "\(SharedData.absence)"))
  struct AdapterPartsTests {
    private func score(_ scratch: ScratchFolder, _ name: String) -> [String] {
      let demo = scratch.file("demo")
      return [
        "score", "--model", demo.appendingPathComponent("model").path, "--adapter",
        SharedData.file("cases/adapter-parts/\(name)").path, "--dataset",
        demo.appendingPathComponent("dataset/keyobjects.json").path, "--images",
        demo.appendingPathComponent("dataset/images").path, "--precision", "f32", "--quiet", "--output",
        scratch.file("\(name).h5").path,
      ]
    }

    @Test("the mean Head Impact is that of PEFT's merged weights")
    func means() async throws {
      try await ScratchFolder.with { scratch in
        try await succeed(["demo", "--output", scratch.file("demo").path, "--scenes", "6"])
        let right = ["plain": 0.189943, "dora": 0.185541, "bias": 0.182651, "modules-to-save": 0.189943]
        for (name, mean) in right.sorted(by: { $0.key < $1.key }) {
          try await succeed(score(scratch, name))
          let (matched, heads) = try HDF5File.read(from: scratch.file("\(name).h5").path) { file in
            let hi = try file.read("hi", as: Double.self).values
            let layers = try file.read("layer", as: Int32.self).values.count
            let heads = try layers * file.read("head", as: Int32.self).values.count
            return (hi.prefix(heads).reduce(0, +), heads)
          }
          #expect(abs(matched / Double(heads) - mean) < 1e-6, "\(name): \(matched / Double(heads))")
        }
        try await fail(
          score(scratch, "vision-tower"), saying: "model.visual.blocks.0.attn.qkv", "model.visual.merger.mlp.0",
          "merge_and_unload")
      }
    }
  }
}
