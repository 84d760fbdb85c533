import COCO
import Foundation
import HDF5Store
import HeadImpact
import Kernels
import RunSupport
import Scoring
import TestSupport
import Testing
import VisionLanguage

extension ScoringRuns {
  /// The Agreement table of docs/measures.md, end to end.
  @Suite("Agreement with the reference")
  struct AgreementTests {
    @Test("in f32 every number is the reference's, within the tolerances of the specification", arguments: TinyCase.all)
    func float32(tiny: TinyCase) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await succeed(tiny.score(to: output, "--precision", "f32", "--save-scores"))
        let goldens = try tiny.goldens()

        let samples = try values("sample", as: Int64.self, in: output)
        #expect(try samples.map { Int($0) } == goldens.integers("sample"))
        for name in ["sequence_tokens", "visual_tokens", "caption_tokens", "mask_tokens"] {
          let counts = try values(name, as: Int32.self, in: output)
          #expect(try counts.map { Int($0) } == goldens.integers(name), "\(name)")
        }
        for id in samples {
          let scores = Closeness(
            try savedScores(of: id, in: output), try goldens.floats("scores.\(id)"))
          #expect(scores.maximumDifference <= 2e-5 && scores.relativeL2 <= 1e-4, "scores of \(id): \(scores)")
        }
        // `soft` and `mass` follow the scores, whose last bits differ by as much from float64's in either program.
        for index in [3, 4] {
          let ours = measure(index, of: try values("hi", as: Double.self, in: output))
          let continuous = Closeness(ours, measure(index, of: try goldens.doubles("hi")))
          #expect(continuous.maximumDifference <= 2e-6, "measure \(index): \(continuous)")
        }
        for name in ["hi", "hi_stderr", "hi_chance", "hi_nosink", "sink_share"] {
          let table = Closeness(try values(name, as: Double.self, in: output), try goldens.doubles(name))
          #expect(table.maximumDifference <= 2e-3, "\(name): \(table)")
        }
      }
    }

    @Test("in f32 at least 99.5% of all samples' measures are equal to 1e-6, over all checkpoints")
    func sampleMeasures() async throws {
      var (equal, all) = (0, 0)
      for tiny in TinyCase.all {
        try await ScratchFolder.with { scratch in
          let output = scratch.file("hi.h5")
          try await succeed(tiny.score(to: output, "--precision", "f32"))
          let ours = try values("sample_hi", as: Float.self, in: output)
          let theirs = try tiny.goldens().floats("sample_hi")
          try #require(ours.count == theirs.count)
          let differences = zip(ours, theirs).map { abs($0 - $1) }
          equal += differences.count { $0 <= 1e-6 }
          all += differences.count
        }
      }
      #expect(Double(equal) >= 0.995 * Double(all), "\(equal) of \(all) are equal")
    }

    @Test("token ids, visual tokens and token masks are the reference's", arguments: TinyCase.all)
    func tokens(tiny: TinyCase) throws {
      let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
      let model = try ModelRegistry.load(folder: tiny.model, input: InputOptions(resizing: .pillow), backend: backend)
      let dataset = try KeyObjectDataset(contentsOf: tiny.dataset)
      let goldens = try tiny.goldens()
      for annotation in dataset.annotations {
        let image = try #require(dataset.image(annotation.imageID))
        let size = try #require(image.size)
        let layout = try model.visualLayout(width: size.width, height: size.height)
        let mask = try TokenMask(of: dataset.mask(for: annotation), cells: layout.visualCells)
        #expect(try mask.isObject.map { $0 ? 1 : 0 } == goldens.integers("token_mask.\(annotation.id)"))
        let sequence = try model.sequence(
          prompt: JobDefaults.prompt,
          description: (annotation.description ?? "").trimmingCharacters(in: .whitespacesAndNewlines),
          layout: layout)
        #expect(try sequence.ids.map { Int($0) } == goldens.integers("input_ids.\(annotation.id)"))
      }
    }

    @Test("in bf16 scores and ranking are near the reference's", arguments: TinyCase.all)
    func bfloat16(tiny: TinyCase) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await succeed(tiny.score(to: output, "--save-scores"))
        let goldens = try tiny.goldens()
        for id in try values("sample", as: Int64.self, in: output) {
          let scores = Closeness(
            try savedScores(of: id, in: output), try goldens.floats("scores.\(id)"))
          #expect(scores.relativeL2 < 0.05, "scores of \(id): \(scores)")
        }
        // The mass in the mask, the measure that no near-tie makes jump.
        let mass = try measure(4, of: values("hi", as: Double.self, in: output))
        let correlation = spearman(mass, measure(4, of: try goldens.doubles("hi")))
        #expect(correlation >= 0.95)
      }
    }

    @Test("the file says what was computed from what")
    func attributes() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await succeed(
          TinyCase.nested.score(
            to: output, "--precision", "f32", "--coverage", "0.25", "--limit", "5", "--prompt", "Look."))
        try HDF5File.read(from: output.path) { file throws in
          #expect(try file.attribute("model_name") == "checkpoint")
          #expect(try file.attribute("model_type") == "qwen2_vl")
          #expect(try file.attribute("precision") == "f32")
          #expect(try file.attribute("coverage") == 0.25)
          #expect(try file.attribute("limit") == 5)
          #expect(try file.attribute("prompt") == "Look.")
          #expect(try file.attribute("samples_skipped") == 0)
          #expect(try file.shape(of: "sample") == [5])
          #expect(try file.dimensions(of: "hi") == ["measure", "layer", "head"])
          for name in ["hi", "hi_interval", "sample_hi", "sample", "mask_tokens"] {
            #expect(try file.attribute("long_name", of: name) != nil)
            #expect(try file.attribute("units", of: name) != nil)
          }
        }
      }
    }
  }
}

/// One measure's part of a table. - Shape: [measure, layer, head] → [layer, head]
private func measure(_ index: Int, of table: [Double]) -> [Double] {
  let size = table.count / 6
  return Array(table[index * size..<(index + 1) * size])
}

/// Spearman's rank correlation; no ties are expected.
private func spearman(_ a: [Double], _ b: [Double]) -> Double {
  func ranks(_ values: [Double]) -> [Int] {
    var ranks = [Int](repeating: 0, count: values.count)
    for (rank, index) in values.indices.sorted(by: { values[$0] < values[$1] }).enumerated() { ranks[index] = rank }
    return ranks
  }
  let n = Double(a.count)
  let squares = zip(ranks(a), ranks(b)).map { Double(($0 - $1) * ($0 - $1)) }.reduce(0, +)
  return 1 - 6 * squares / (n * (n * n - 1))
}
