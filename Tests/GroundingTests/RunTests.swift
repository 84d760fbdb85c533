import Foundation
import TestSupport
import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Grounding runs", .serialized)
struct GroundingRuns {
  private let tiny = TinyCase.nested

  /// What numpy makes of transformers' attention (tools/goldens/grounding).
  private struct Golden: Decodable {
    let `case`: String
    let heads: [[Int]]
    let rule: String
    let sigma: Double
    let parts: String
    let entries: [Entry]
  }

  private struct Entry: Decodable {
    let id: Int
    let bbox: [Double]
    let counts: String
    let score: Double
    let bbox_iou: Double
    let mask_intersection: Int
    let mask_union: Int
  }

  private struct Result: Decodable {
    struct Mask: Decodable { let counts: String }
    let image_id: Int
    let annotation_id: Int
    let category_id: Int?
    let bbox: [Double]
    let segmentation: Mask
    let score: Double
    let bbox_iou: Double
    let mask_intersection: Int?
    let mask_union: Int?
  }

  fileprivate struct Summary: Decodable {
    struct Scores: Decodable {
      let expressions: Int
      let images: Int
      let masks: Int
    }
    let scores: Scores
    let heads: [[Int]]
    let is_new: Bool
  }

  private func ground(
    _ tiny: TinyCase, to output: URL, _ more: [String], dataset: URL? = nil, images: URL? = nil, model: URL? = nil
  ) -> [String] {
    [
      "ground", "--model", (model ?? tiny.model).path, "--dataset", (dataset ?? tiny.dataset).path, "--images",
      (images ?? tiny.images).path, "--precision", "f32", "--quiet", "--output", output.path,
    ] + TinyCase.resize + more
  }

  @Test("boxes and masks are those that numpy makes of transformers' attention, in one view and in several")
  func reference() async throws {
    let file = Goldens.root().appendingPathComponent("runs.json")
    for golden in try JSONDecoder().decode([Golden].self, from: Data(contentsOf: file)) {
      try await ScratchFolder.with { scratch in
        let tiny = try #require(TinyCase.all.first { $0.name == golden.case })
        let output = scratch.file("places.json")
        let heads = golden.heads.map { "\($0[0]).\($0[1])" }.joined(separator: ",")
        try await succeed(
          ground(
            tiny, to: output,
            ["--heads", heads, "--threshold", golden.rule, "--sigma", "\(golden.sigma)", "--parts", golden.parts]))
        let found = try JSONDecoder().decode([Result].self, from: Data(contentsOf: output))
        try #require(found.map(\.annotation_id) == golden.entries.map(\.id))
        for (result, entry) in zip(found, golden.entries) {
          let words = "\(golden.case), annotation \(entry.id)"
          #expect(result.bbox == entry.bbox && result.segmentation.counts == entry.counts, "\(words)")
          #expect(abs(result.score - entry.score) < 1e-4 && abs(result.bbox_iou - entry.bbox_iou) < 1e-12, "\(words)")
          #expect(
            result.mask_intersection == entry.mask_intersection && result.mask_union == entry.mask_union, "\(words)")
        }
      }
    }
  }

  @Test(
    "the best heads of hi.h5, those of a selection and those named find the same, with the same bytes on 1, 2 and 3 ranks"
  )
  func ranks() async throws {
    try await ScratchFolder.with { scratch in
      let hi = scratch.file("hi.h5")
      try await succeed(tiny.score(to: hi, "--precision", "f32"))
      let chosen = try await MPIRun.launch("headimpact", ["select", hi.path, "--heads", "2"])
      let selection = scratch.file("selection.json")
      try Data(chosen.standardOutput.utf8).write(to: selection)
      struct Chosen: Decodable { let heads: [[Int]] }
      let named = try JSONDecoder().decode(Chosen.self, from: Data(chosen.standardOutput.utf8)).heads
        .map { "\($0[0]).\($0[1])" }.reversed().joined(separator: ",")
      var outputs: [Data] = []
      for (ranks, choice) in [
        (nil, ["--hi", hi.path, "--top-heads", "2"]), (1, ["--heads", named]), (2, ["--selection", selection.path]),
        (3, ["--hi", hi.path, "--top-heads", "2"]),
      ] as [(Int?, [String])] {
        let output = scratch.file("\(ranks ?? 0).json")
        try await succeed(ground(tiny, to: output, choice), ranks: ranks)
        outputs.append(try Data(contentsOf: output))
      }
      #expect(Set(outputs).count == 1)
    }
  }

  @Test("the printed JSON has the scores; --resume of a finished run gives them again, and other options are refused")
  func finished() async throws {
    try await ScratchFolder.with { scratch in
      let output = scratch.file("places.json")
      let arguments = ground(tiny, to: output, ["--heads", "0.0,1.1", "--format", "json"])
      func run(_ more: String...) async throws -> MPIRun { try await MPIRun.launch("headimpact", arguments + more) }
      let first = try await run().summary()
      #expect(first.is_new && first.heads == [[0, 0], [1, 1]])
      #expect(first.scores.expressions == 8 && first.scores.images == 4 && first.scores.masks == 8)
      #expect(!FileManager.default.fileExists(atPath: output.path + ".journal"))
      let again = try await run("--resume").summary()
      #expect(!again.is_new && again.scores.expressions == 8)
      let other = try await run("--resume", "--sigma", "1")
      #expect(other.exitCode == 1 && other.standardError.contains("--sigma was 0.0 and now is 1.0"))
    }
  }

  @Test("--page makes a page with a picture of every expression, also of a finished run, and replaces no other folder")
  func page() async throws {
    try await ScratchFolder.with { scratch in
      let (output, page) = (scratch.file("places.json"), scratch.file("page"))
      let arguments = ground(tiny, to: output, ["--heads", "0.0,1.1"])
      try await succeed(arguments, ranks: 2)
      let places = try Data(contentsOf: output)
      try await succeed(arguments + ["--resume", "--page", page.path])
      #expect(try Data(contentsOf: output) == places)
      let names = try FileManager.default.contentsOfDirectory(atPath: page.path).sorted()
      #expect(names == (1...8).map { "0\($0).png" } + ["index.html"])
      try FileManager.default.removeItem(at: output)
      func message(_ more: String..., exitCode: Int32 = 1) async throws -> String {
        let run = try await MPIRun.launch("headimpact", arguments + more)
        #expect(run.exitCode == exitCode)
        return run.standardError
      }
      #expect(try await message("--page", page.path).contains("choose another --page"))
      #expect(try await message("--page", output.path, exitCode: 64).contains("--page and --output are the same"))
      #expect(!FileManager.default.fileExists(atPath: output.path))
      try Data().write(to: page.appendingPathComponent("notes.txt"))
      #expect(try await message("--overwrite", "--page", page.path).contains("notes.txt"))
    }
  }

  @Test("RefCOCO as JSON lines: several expressions per image, boxes only")
  func lines() async throws {
    try await ScratchFolder.with { scratch in
      struct Images: Decodable {
        struct Image: Decodable { let file_name: String }
        let images: [Image]
      }
      let names = try JSONDecoder().decode(Images.self, from: Data(contentsOf: tiny.dataset)).images.map(\.file_name)
      let dataset = scratch.file("refs.jsonl")
      let lines = ["red thing", "thing on the left"].map {
        #"{"image": "\#(names[0])", "sent": "\#($0)", "bbox": [1, 1, 20, 20]}"#
      }
      try Data(lines.joined(separator: "\n").utf8).write(to: dataset)
      let output = scratch.file("places.json")
      try await succeed(ground(tiny, to: output, ["--heads", "0.0"], dataset: dataset), ranks: 2)
      let found = try JSONDecoder().decode([Result].self, from: Data(contentsOf: output))
      #expect(found.count == 2 && found.allSatisfy { $0.mask_union == nil && $0.category_id == nil })
      #expect(Set(found.map(\.image_id)) == [1])
    }
  }

  @Test("what can't be used is skipped and counted: a box that leaves its picture, an empty expression")
  func skips() async throws {
    try await ScratchFolder.with { scratch in
      var json = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: tiny.dataset)) as? [String: Any])
      var annotations = try #require(json["annotations"] as? [[String: Any]])
      annotations[2]["description"] = " "
      // Corners, where COCO has width and height.
      annotations[3]["bbox"] = [1, 1, 10_000, 20]
      json["annotations"] = annotations
      let dataset = scratch.file("keyobjects.json")
      try JSONSerialization.data(withJSONObject: json).write(to: dataset)
      let output = scratch.file("places.json")
      let run = try await MPIRun.launch(
        "headimpact", ground(tiny, to: output, ["--heads", "0.0", "--allow-skips", "0.5"], dataset: dataset))
      for words in ["1 text", "1 mask"] {
        #expect(
          run.exitCode == 0 && run.standardOutput.contains(words), "\(run.standardOutput)\(run.standardError)")
      }
      let found = try JSONDecoder().decode([Result].self, from: Data(contentsOf: output))
      #expect(found.count == 6)
    }
  }

  @Test("heads that the model doesn't have, or that were chosen for another model, and no choice of heads are refused")
  func refusals() async throws {
    try await ScratchFolder.with { scratch in
      func message(_ more: [String], _ code: Int32) async throws -> String {
        let run = try await MPIRun.launch("headimpact", ground(tiny, to: scratch.file("out.json"), more))
        #expect(run.exitCode == code, "\(more): \(run.standardError)")
        return run.standardError
      }
      #expect(try await message(["--heads", "99.0"], 1).contains("there is no head 99.0"))
      #expect(try await message(["--heads", "0.0,0.0"], 64).contains("head 0.0 is named twice"))
      #expect(try await message([], 64).contains("one of --heads, --selection and --hi"))
      #expect(try await message(["--heads", "x"], 64).contains("\"x\" is not a head"))
      #expect(try await message(["--heads", "0.0", "--threshold", "median"], 64).contains("threshold"))
      let selection = scratch.file("selection.json")
      let chosen = #""strategy": "top", "measure": "matched", "layers": [0], "scores": [1]"#
      try Data(#"{\#(chosen), "heads": [[0, 0]], "model_sha256": "abc"}"#.utf8).write(to: selection)
      #expect(try await message(["--selection", selection.path], 1).contains("of another model"))
      try Data("{\(chosen)}".utf8).write(to: selection)
      #expect(try await message(["--selection", selection.path], 1).contains("select --heads K"))
    }
  }
}

extension MPIRun {
  fileprivate func summary() throws -> GroundingRuns.Summary {
    try JSONDecoder().decode(GroundingRuns.Summary.self, from: Data(standardOutput.utf8))
  }
}
