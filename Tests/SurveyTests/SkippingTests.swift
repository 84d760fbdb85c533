import Foundation
import TestSupport
import Testing

extension ScoringRuns {
  @Suite("Samples that can't be used")
  struct SkippingTests {
    @Test("each is skipped with its reason, in the output and on standard error, and the rest is scored")
    func skip() async throws {
      try await ScratchFolder.with { scratch in
        var dataset = try EditedDataset(.nested, in: scratch)
        // Image 1 stays; of its three samples two can't be used.
        try dataset.edit("annotations", 93) { $0["description"] = nil }
        try dataset.edit("annotations", 206) {
          $0["segmentation"] = ["size": [133, 201], "counts": [26_733, 1_000_000]] as [String: Any]
        }
        try FileManager.default.removeItem(at: dataset.images.appendingPathComponent("0002.png"))
        let jpeg = dataset.images.appendingPathComponent("0003.jpg")
        try Data(contentsOf: jpeg).prefix(900).write(to: jpeg)
        try dataset.edit("images", 4) { $0["width"] = 261 }

        let output = scratch.file("hi.h5")
        let run = try await succeed(TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images))
        let reasons = try skipped(in: output)
        #expect(reasons.keys.sorted() == [51, 65, 79, 93, 206, 212, 218])
        for (id, word) in [
          (51, "0004.jpg is 260x41 pixels; the dataset says 261x41"), (65, "0003.jpg"), (79, "0002.png"),
          (93, "no description"), (206, "annotations[2].segmentation"), (212, "0002.png"), (218, "260x41"),
        ] as [(Int64, String)] {
          let reason = reasons[id] ?? ""
          #expect(reason.contains(word), "annotation \(id): \(reason)")
          #expect(run.standardError.contains("annotation \(id) is skipped: \(reason)"), "\(run.standardError)")
        }
        #expect(try values("sample", as: Int64.self, in: output) == [200])
        #expect(run.standardOutput.contains("1 samples, 7 skipped"), "\(run.standardOutput)")
      }
    }

    @Test(
      "masks and descriptions with nothing in them, and files outside the images folder, name what is wrong",
      arguments: [
        Wrong("annotations", "description", "  \n", "no description"),
        Wrong("annotations", "segmentation", .none, "annotation 65 has no segmentation"),
        Wrong("annotations", "segmentation", .polygons([[1, 1, 1, 1, 1, 1]]), "mask"),
        Wrong("annotations", "segmentation", .polygons([[1, 1, 1]]), "annotations[5].segmentation"),
        Wrong("annotations", "segmentation", .polygons([]), "there is no polygon"),
        Wrong("images", "file_name", "../keyobjects.json", "leaves the images folder"),
        Wrong("images", "file_name", "/etc/passwd", "leaves the images folder"),
        Wrong("images", "file_name", ".", "can't"),
      ])
    func reasons(wrong: Wrong) async throws {
      try await ScratchFolder.with { scratch in
        var dataset = try EditedDataset(.nested, in: scratch)
        try dataset.edit(wrong.list, wrong.list == "images" ? 3 : 65) { $0[wrong.key] = wrong.json }
        let output = scratch.file("hi.h5")
        try await succeed(TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images))
        let reasons = try skipped(in: output)
        #expect(reasons.count == 1)
        let reason = reasons[65] ?? ""
        #expect(reason.contains(wrong.reason), "\(reason)")
      }
    }

    @Test("with --strict the first of them is fatal")
    func strict() async throws {
      try await ScratchFolder.with { scratch in
        var dataset = try EditedDataset(.nested, in: scratch)
        try dataset.edit("annotations", 65) { $0["description"] = "" }
        let output = scratch.file("hi.h5")
        try await fail(
          TinyCase.nested.score(to: output, "--strict", dataset: dataset.file, images: dataset.images),
          saying: "annotation 65 can't be used (--strict): it has no description")
        #expect(!FileManager.default.fileExists(atPath: output.path))
      }
    }

    @Test("where none can be used there is no output", arguments: [nil, 2])
    func allSkipped(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await fail(
          TinyCase.nested.score(to: output, images: scratch.url), ranks: ranks, saying: "no sample could be used",
          "annotation 51: ", "0004.jpg")
        #expect(try scratch.names.isEmpty)
      }
    }
  }
}

/// One value of the dataset to be made wrong, and a word of the reason that must follow.
struct Wrong: Sendable, CustomStringConvertible {
  enum Value: Sendable, ExpressibleByStringLiteral {
    case text(String)
    case polygons([[Double]])
    case none
    init(stringLiteral value: String) { self = .text(value) }
  }
  let list: String
  let key: String
  let value: Value
  let reason: String

  init(_ list: String, _ key: String, _ value: Value, _ reason: String) {
    (self.list, self.key, self.value, self.reason) = (list, key, value, reason)
  }

  var json: Any? {
    switch value {
    case .text(let text): text
    case .polygons(let polygons): polygons
    case .none: nil
    }
  }

  var description: String { "\(key): \(value)" }
}
