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
        let arguments = TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images)
        let run = try await skipTooMany(arguments)
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
        let counts = "7 skipped (2 missing picture, 3 picture, 1 mask, 1 text)"
        #expect(run.standardOutput.contains("1 sample, \(counts)"), "\(run.standardOutput)")
        #expect(run.standardError.contains("of 8 samples \(counts)"), "\(run.standardError)")
        // Once more finished, it is no more than it was; and what is allowed is done.
        try await skipTooMany(arguments + ["--resume"])
        let allowed = try await succeed(arguments + ["--resume", "--allow-skips", "0.9", "--format", "json"])
        struct Report: Decodable {
          struct Skips: Decodable {
            let samples: Int
            let skipped: [String: Int]
          }
          let skips: Skips
        }
        let skips = try JSONDecoder().decode(Report.self, from: Data(allowed.standardOutput.utf8)).skips
        #expect(skips.samples == 8)
        #expect(skips.skipped == ["missing_picture": 2, "picture": 3, "mask": 1, "text": 1])
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
        try await succeed(
          TinyCase.nested.score(to: output, "--allow-skips", "0.2", dataset: dataset.file, images: dataset.images))
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
          saying: "annotation 65", "--strict", "no description")
        #expect(!FileManager.default.fileExists(atPath: output.path))
      }
    }

    @Test("where none can be used there is no output", arguments: [nil, 2])
    func allSkipped(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        let images = scratch.file("images")
        try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
        try Data("no picture".utf8).write(to: images.appendingPathComponent("0004.jpg"))
        try await fail(
          TinyCase.nested.score(to: output, images: images), ranks: ranks, saying: "no sample could be used",
          "annotation 51: ", "0004.jpg")
        #expect(try scratch.names == ["images"])
      }
    }

    @Test("a wrong folder of images, and a dataset without descriptions, are one error each", arguments: [nil, 2])
    func wrongInputs(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let images = scratch.file("images")
        try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
        try Data("a note".utf8).write(to: images.appendingPathComponent("notes.txt"))
        let output = scratch.file("hi.h5")
        let wrong = try await fail(
          TinyCase.nested.score(to: output, images: images), ranks: ranks, saying: "none of the dataset's")
        #expect(!wrong.standardError.contains("is skipped"), "\(wrong.standardError)")
        var dataset = try EditedDataset(.nested, in: scratch)
        for id in [51, 65, 79, 93, 200, 206, 212, 218] {
          try dataset.edit("annotations", id) { $0["description"] = "" }
        }
        let bare = try await fail(
          TinyCase.nested.score(to: output, dataset: dataset.file), ranks: ranks, saying: "has a description")
        #expect(!bare.standardError.contains("is skipped"), "\(bare.standardError)")
      }
    }

    @Test("--overwrite replaces an earlier output once the new one is whole, and nothing else")
    func overwritten() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await succeed(TinyCase.nested.score(to: output, "--limit", "2"))
        let before = try Data(contentsOf: output)
        try await succeed(TinyCase.nested.score(to: output, "--overwrite"))
        #expect(try Data(contentsOf: output) != before)
        let dataset = try EditedDataset(.nested, in: scratch).file
        let own = try Data(contentsOf: dataset)
        try await fail(
          TinyCase.nested.score(to: dataset, "--overwrite", dataset: dataset), saying: "doesn't replace it")
        #expect(try Data(contentsOf: dataset) == own)
        let precious = scratch.file("precious.h5")
        try Data("precious".utf8).write(to: precious)
        try await fail(TinyCase.nested.score(to: precious, "--overwrite"), saying: "doesn't replace it")
        #expect(try Data(contentsOf: precious) == Data("precious".utf8))
      }
    }

    @Test("--allow-skips outside 0 to 1 is refused", arguments: ["1.1", "-1", "nan"])
    func allowed(share: String) async throws {
      try await ScratchFolder.with { scratch in
        let run = try await run(TinyCase.nested.score(to: scratch.file("hi.h5"), "--allow-skips=\(share)"))
        #expect(run.exitCode == 64 && run.standardError.contains("--allow-skips"), "\(run.standardError)")
      }
    }

    @Test("a record that the reader leaves out is counted as one more skip")
    func record() async throws {
      try await ScratchFolder.with { scratch in
        var dataset = try EditedDataset(.nested, in: scratch)
        try dataset.edit("annotations", 65) { $0["image_id"] = "x" }
        let output = scratch.file("hi.h5")
        let run = try await skipTooMany(
          TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images))
        #expect(run.standardOutput.contains("7 samples, 1 skipped (1 record)"), "\(run.standardOutput)")
        #expect(try skipped(in: output).keys.sorted() == [65])
      }
    }
  }

  @Suite("What the machine refuses")
  struct EnvironmentTests {
    @Test("a folder of images that is empty or missing stops the run before its journal", arguments: [nil, 2])
    func noFolder(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let empty = scratch.file("empty")
        try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
        for images in [empty, scratch.file("none")] {
          try await fail(
            TinyCase.nested.score(to: scratch.file("hi.h5"), images: images), ranks: ranks, saying: images.path)
        }
        #expect(try scratch.names == ["empty"])
      }
    }

    @Test(
      "a host without the images stops all, names itself, and records nothing", arguments: ["empty", "less"])
    func oneHost(folder: String) async throws {
      try await ScratchFolder.with { scratch in
        let dataset = try EditedDataset(.nested, in: scratch)
        let other = scratch.file(folder)
        if folder == "less" {
          try FileManager.default.copyItem(at: dataset.images, to: other)
          try FileManager.default.removeItem(at: other.appendingPathComponent("0003.jpg"))
        } else {
          try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
        }
        let images = dataset.images.path
        // Rank 1 sees another folder under the same name, as a host does that has not mounted it.
        let script =
          "if [ \(Meanwhile.rank) = 1 ]; then exec unshare -m sh -c 'mount --bind \(other.path) \(images) && "
          + "exec \"$@\"' sh \"$@\"; fi; exec \"$@\""
        let output = scratch.file("hi.h5")
        let probe = try await MPIRun.run(["unshare", "-m", "true"])
        guard probe.exitCode == 0 else { return }  // only root may have a mount of its own
        let first = try await run(
          TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images), ranks: 2,
          prefix: ["sh", "-c", script, "sh"])
        #expect(first.exitCode == 1)
        #expect(first.standardError.contains(/rank 1: host [^ ]+: .*images/), "\(first.standardError)")
        #expect(!FileManager.default.fileExists(atPath: output.path))
        // Nothing was recorded: where rank 1 sees the images, the run goes on to all of them.
        let again = try await run(
          TinyCase.nested.score(to: output, "--resume", dataset: dataset.file, images: dataset.images), ranks: 2)
        #expect(again.exitCode == 0, "\(again.standardError)")
        #expect(!again.standardError.contains("skipped"), "\(again.standardError)")
      }
    }

    @Test("a picture that may not be read stops the run, and is read when it may be", arguments: [nil, 2])
    func unreadable(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let dataset = try EditedDataset(.nested, in: scratch)
        let picture = dataset.images.appendingPathComponent("0003.jpg")
        let output = scratch.file("hi.h5")
        let arguments = TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images)
        // What can be opened, and not read: even root gets an I/O error of the system.
        try FileManager.default.removeItem(at: picture)
        try FileManager.default.createSymbolicLink(atPath: picture.path, withDestinationPath: "/proc/self/mem")
        try await fail(arguments, ranks: ranks, saying: picture.path, "Input/output error")
        #expect(!FileManager.default.fileExists(atPath: output.path))
        try FileManager.default.removeItem(at: picture)
        try FileManager.default.copyItem(at: TinyCase.nested.images.appendingPathComponent("0003.jpg"), to: picture)
        try await succeed(arguments + ["--resume"], ranks: ranks)
        #expect(try skipped(in: output).isEmpty)
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
