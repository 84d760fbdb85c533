import Foundation
import HDF5Store
import IO
import Safetensors
import TestSupport
import Testing

extension ScoringRuns {
  @Suite("With an adapter")
  struct AdapterTests {
    private let adapter = TinyCase.nestedAdapter

    /// Scores the tiny case in float32.
    private func results(
      _ scratch: ScratchFolder, _ name: String, adapter: URL?, ranks: Int? = nil
    ) async throws -> Results {
      let output = scratch.file(name)
      let more = adapter.map { ["--adapter", $0.path] } ?? []
      try await succeed(
        TinyCase.nested.score(to: output, "--precision", "f32", "--save-scores") + more, ranks: ranks)
      return try Results(output)
    }

    @Test("any number of ranks gives the same bits, and others than without it")
    func sameBits() async throws {
      try await ScratchFolder.with { scratch in
        let adapted = try await results(scratch, "alone.h5", adapter: adapter)
        for ranks in 1...3 {
          let differences = try await results(scratch, "\(ranks).h5", adapter: adapter, ranks: ranks)
            .differences(from: adapted)
          #expect(differences.isEmpty, "\(ranks) ranks")
        }
        let plain = try await results(scratch, "plain.h5", adapter: nil)
        #expect(adapted.differences(from: plain).contains("hi"))
      }
    }

    @Test("one whose B is zero changes no bit")
    func zero() async throws {
      try await ScratchFolder.with { scratch in
        let folder = scratch.file("zero")
        try FileManager.default.copyItem(at: adapter, to: folder)
        try zeroB(of: folder)
        let plain = try await results(scratch, "plain.h5", adapter: nil)
        let adapted = try await results(scratch, "zero.h5", adapter: folder)
        let differences = adapted.differences(from: plain)
        #expect(differences.isEmpty)
      }
    }

    @Test("the file says which it was; without one it says nothing of adapters")
    func attributes() async throws {
      try await ScratchFolder.with { scratch in
        _ = try await results(scratch, "plain.h5", adapter: nil)
        _ = try await results(scratch, "adapted.h5", adapter: adapter)
        func attribute(_ name: String, _ file: String) throws -> HDF5Attribute? {
          try HDF5File.read(from: scratch.file(file).path) { try $0.attribute(name) }
        }
        let digests = try ["adapter_config.json", "adapter_model.safetensors"]
          .map { try SHA256.hex(ofFile: adapter.appendingPathComponent($0)) }
        #expect(try attribute("adapter_name", "adapted.h5") == "patterns")
        #expect(try attribute("adapter_sha256", "adapted.h5") == .string(digests.joined(separator: " ")))
        #expect(try attribute("title", "adapted.h5") == "Head Impact of checkpoint with the adapter patterns")
        #expect(try attribute("adapter_name", "plain.h5") == nil && attribute("adapter_sha256", "plain.h5") == nil)
      }
    }

    @Test("neither a journal nor a finished file of another adapter is continued")
    func otherAdapter() async throws {
      try await ScratchFolder.with { scratch in
        let edited = try EditedDataset(.nested, in: scratch)
        let image = edited.images.appendingPathComponent("0003.jpg")
        try FileManager.default.removeItem(at: image)
        let output = scratch.file("hi.h5")
        let arguments = TinyCase.nested.score(to: output, dataset: edited.file, images: edited.images)
        let adapted = arguments + ["--adapter", adapter.path]
        try await fail(adapted + ["--strict"], saying: "0003.jpg")
        try await fail(arguments + ["--resume"], ranks: 2, saying: "adapter (SHA-256) was ", " and now is none")
        let other = adapter.deletingLastPathComponent().appendingPathComponent("root")
        try await fail(arguments + ["--resume", "--adapter", other.path], saying: "adapter (SHA-256) was ")
        try FileManager.default.copyItem(at: TinyCase.nested.images.appendingPathComponent("0003.jpg"), to: image)
        try await succeed(adapted + ["--resume"])
        #expect(try await succeed(adapted + ["--resume"]).standardOutput.contains("already finished"))
        try await fail(arguments + ["--resume"], saying: "is finished", "adapter (SHA-256) was ")
      }
    }

    @Test("one that isn't there, or doesn't fit the model, is refused", arguments: [nil, 2])
    func refusals(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await fail(
          TinyCase.nested.score(to: output, "--adapter", "/nowhere"), ranks: ranks, saying: "/nowhere")
        try await fail(
          TinyCase.all[2].score(to: output, "--adapter", adapter.path), ranks: ranks, saying: adapter.path)
        #expect(try scratch.names.isEmpty)
      }
    }
  }
}

/// Makes every B of an adapter folder zero.
private func zeroB(of folder: URL) throws {
  let file = folder.appendingPathComponent("adapter_model.safetensors")
  let tensors = try SafetensorsFile(contentsOf: file).tensors.values.map { tensor in
    let bytes = tensor.withBytes { Array($0) }
    return TensorData(
      name: tensor.name, dtype: tensor.dtype, shape: tensor.shape,
      bytes: tensor.name.contains("lora_B") ? [UInt8](repeating: 0, count: bytes.count) : bytes)
  }
  try writeSafetensors(tensors, metadata: ["format": "pt"], to: file)
}
