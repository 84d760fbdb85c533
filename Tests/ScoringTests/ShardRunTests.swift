import Foundation
import HDF5Store
import TestSupport
import Testing

extension ScoringRuns {
  @Suite("Shards")
  struct ShardRunTests {
    /// A dataset of 12 images, one of them missing, and of 24 annotations, one of them without a description.
    private func dataset(in scratch: ScratchFolder) throws -> EditedDataset {
      var dataset = try EditedDataset(.nested, in: scratch)
      try dataset.repeatEntries(3)
      try dataset.edit("annotations", 93) { $0["description"] = " " }
      try dataset.edit("images", 1003) { $0["file_name"] = "missing.jpg" }
      return dataset
    }

    private func score(_ output: URL, _ dataset: EditedDataset, _ more: String...) -> [String] {
      TinyCase.nested.score(to: output, dataset: dataset.file, images: dataset.images) + ["--threads", "1"] + more
    }

    private func requireSame(_ output: URL, _ other: URL, _ what: String) throws {
      let differences = try Results(output).differences(from: Results(other))
      #expect(differences.isEmpty, "\(what)")
      let (mine, theirs) = (try HeadImpactFile.origin(of: output), try HeadImpactFile.origin(of: other))
      #expect(mine.identity == theirs.identity && mine.skipped == theirs.skipped, "\(what)")
    }

    @Test("any number of shards, each on any number of ranks, makes the file of one run", arguments: [1, 2, 3, 5])
    func sameBits(count: Int) async throws {
      try await ScratchFolder.with { scratch in
        let dataset = try dataset(in: scratch)
        let whole = scratch.file("whole.h5")
        try await skipTooMany(score(whole, dataset, "--save-scores"))
        let output = scratch.file("hi.h5")
        for number in 1...count {
          let run = try await succeed(
            score(output, dataset, "--save-scores", "--shard", "\(number)/\(count)"), ranks: number == 1 ? 2 : nil)
          #expect(run.standardOutput.contains("hi.h5.shard-\(number)-of-\(count)"), "\(run.standardOutput)")
        }
        #expect(!FileManager.default.fileExists(atPath: output.path))
        // Neither the dataset nor the images are needed any more.
        try FileManager.default.removeItem(at: dataset.file)
        try FileManager.default.removeItem(at: dataset.images)
        for ranks in [nil, 3] {
          let run = try await skipTooMany(["gather", "--output", output.path], ranks: ranks)
          #expect(run.standardOutput.contains("22 samples, 2 skipped"), "\(run.standardOutput)")
          try requireSame(output, whole, "\(count) shards gathered on \(ranks ?? 1) ranks")
          try FileManager.default.removeItem(at: output)
        }
        try await succeed(["gather", "--output", output.path, "--allow-skips", "0.5", "--remove"])
        #expect(try scratch.names == ["hi.h5", "whole.h5"])
      }
    }

    @Test("gather takes shards by name from anywhere, and never replaces an output")
    func named() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        for number in 1...2 { try await succeed(TinyCase.nested.score(to: output, "--shard", "\(number)/2")) }
        let (one, two) = (scratch.file("hi.h5.shard-1-of-2"), scratch.file("elsewhere"))
        try FileManager.default.moveItem(at: scratch.file("hi.h5.shard-2-of-2"), to: two)
        try await fail(["gather", "--output", output.path], saying: "number 2 is missing", "hi.h5.shard-2-of-2")
        try await succeed(["gather", "--output", output.path, two.path, one.path])
        try await fail(
          ["gather", "--output", output.path, two.path, one.path], ranks: 2, saying: output.path, "already exists")
        #expect(try scratch.names == ["elsewhere", "hi.h5", "hi.h5.shard-1-of-2"])
      }
    }

    @Test("a finished shard isn't made again, and isn't another run's")
    func finished() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        let arguments = TinyCase.nested.score(to: output, "--shard", "2/3")
        try await succeed(arguments)
        try await fail(arguments, saying: "hi.h5.shard-2-of-3", "already exists")
        let run = try await succeed(arguments + ["--resume"], ranks: 2)
        #expect(run.standardOutput.contains("already finished"), "\(run.standardOutput)")
        try await fail(arguments + ["--resume", "--coverage", "0.25"], saying: "--coverage was 0.5 and now is 0.25")
      }
    }

    @Test("shards of which every sample was skipped give no Head Impact")
    func nothing() async throws {
      try await ScratchFolder.with { scratch in
        let dataset = try EditedDataset(.nested, in: scratch)
        for name in try FileManager.default.contentsOfDirectory(atPath: dataset.images.path) {
          try Data("no picture".utf8).write(to: dataset.images.appendingPathComponent(name))
        }
        let output = scratch.file("hi.h5")
        for number in 1...2 { try await succeed(score(output, dataset, "--shard", "\(number)/2")) }
        try await fail(["gather", "--output", output.path], saying: "no sample could be used")
        #expect(!FileManager.default.fileExists(atPath: output.path))
      }
    }
  }
}
