import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  /// The demonstration model in the layouts of public bug reports, with the values that transformers gives.
  @Suite(
    "Model folders as people have them",
    .enabled(if: SharedData.has("cases/make_model.py"), Comment(rawValue: SharedData.absence)))
  struct ModelFolderCaseTests {
    private struct Report: Decodable {
      struct Head: Decodable {
        let layer: Int
        let head: Int
        let hi: Double
      }
      let heads: [Head]
    }

    @Test("give the numbers of the folder as published, and a sentence where something is not used")
    func right() async throws {
      try await ScratchFolder.with { scratch in
        try await demonstration(scratch)
        for (kind, told) in [
          ("slow-tokenizer", nil), ("unaligned", nil), ("mixed-names", nil), ("value-head", "v_head.summary.bias"),
          ("inv-freq", "inv_freq"), ("index-lists-head", "lm_head.weight"), ("shard-holds-head", "lm_head.weight"),
        ] as [(String, String?)] {
          try make(kind, scratch)
          try await score(kind, scratch, told: told)
        }
        for (kind, file, removed) in [
          ("processor-config-only", "processor_config.json", "preprocessor_config.json"),
          ("preprocessor-size-pixels", "preprocessor_config.json", nil),
        ] as [(String, String, String?)] {
          let model = scratch.file(kind)
          try FileManager.default.copyItem(at: scratch.file("demo/model"), to: model)
          for name in [removed, file].compactMap({ $0 }) {
            let old = model.appendingPathComponent(name)
            if FileManager.default.fileExists(atPath: old.path) { try FileManager.default.removeItem(at: old) }
          }
          try Data(contentsOf: SharedData.file("cases/\(kind)/\(file)")).write(to: model.appendingPathComponent(file))
          try await score(kind, scratch, told: nil)
        }
      }
    }

    @Test(
      "that can't be read are refused with the cause and the way out",
      arguments: [
        ("gptq", "quantization_config"), ("lfs-pointer", "git lfs pull"), ("dangling-link", "../../blobs/not-there"),
      ])
    func refused(kind: String, words: String) async throws {
      try await ScratchFolder.with { scratch in
        try await demonstration(scratch)
        try make(kind, scratch)
        try await fail(arguments(kind, scratch), saying: words)
      }
    }

    private func demonstration(_ scratch: ScratchFolder) async throws {
      try await succeed(["demo", "--output", scratch.file("demo").path, "--scenes", "6"])
    }

    private func make(_ kind: String, _ scratch: ScratchFolder) throws {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = [
        "python3", SharedData.file("cases/make_model.py").path, kind, scratch.file("demo/model").path,
        scratch.file(kind).path,
      ]
      try process.run()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0)
    }

    private func arguments(_ kind: String, _ scratch: ScratchFolder) -> [String] {
      [
        "score", "--model", scratch.file(kind).path, "--dataset", scratch.file("demo/dataset/keyobjects.json").path,
        "--images", scratch.file("demo/dataset/images").path, "--precision", "f32", "--quiet", "--format", "json",
        "--output", scratch.file("\(kind).h5").path,
      ]
    }

    private func score(_ kind: String, _ scratch: ScratchFolder, told: String?) async throws {
      let run = try await succeed(arguments(kind, scratch))
      let heads = try run.json(Report.self).heads
      #expect(heads.prefix(2).map { [$0.layer, $0.head] } == [[3, 7], [5, 5]], "\(kind)")
      #expect(zip(heads, [0.6627, 0.6000]).allSatisfy { abs($0.hi - $1) < 5e-5 }, "\(kind): \(heads.prefix(2))")
      let lines = run.standardError.split(separator: "\n")
      #expect(lines.count == (told == nil ? 0 : 1), "\(kind): \(run.standardError)")
      if let told { #expect(lines.first?.contains(told) == true, "\(kind): \(run.standardError)") }
    }
  }
}
