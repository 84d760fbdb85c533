import Foundation
import Kernels
import Safetensors
import TestSupport
import Transformer
import VisionLanguage

@testable import LowRankAdaptation

/// A model whose weights nobody reads.
func tiny(_ name: String = "nested") throws -> any VisionLanguageModel {
  let tiny = TinyCase.all.first { $0.name == name } ?? TinyCase.nested
  return try ModelRegistry.load(
    folder: tiny.model, input: InputOptions(resizing: .pillow),
    backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
}

/// A copy of a golden adapter folder, to be spoilt.
struct AdapterCopy {
  let url: URL

  init(of name: String = "patterns", in scratch: ScratchFolder) throws {
    try self.init(copying: Goldens.root().appendingPathComponent(name), in: scratch)
  }

  init(copying folder: URL, in scratch: ScratchFolder) throws {
    url = scratch.file("adapter")
    try FileManager.default.copyItem(at: folder, to: url)
  }

  func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  /// Sets keys of adapter_config.json; sorted, as PEFT writes them, for their order matters in patterns.
  func edit(_ changes: [String: Any]) throws {
    let file = file("adapter_config.json")
    let old = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
    try JSONSerialization.data(withJSONObject: old.merging(changes) { $1 }, options: .sortedKeys).write(to: file)
  }

  func tensors() throws -> [TensorData] {
    try SafetensorsFile(contentsOf: file("adapter_model.safetensors")).tensors.values.sorted { $0.name < $1.name }.map {
      TensorData(name: $0.name, dtype: $0.dtype, shape: $0.shape, bytes: $0.withBytes { Array($0) })
    }
  }

  func write(_ tensors: [TensorData]) throws {
    try writeSafetensors(tensors, metadata: ["format": "pt"], to: file("adapter_model.safetensors"))
  }

  func changeTensors(_ change: (inout [TensorData]) throws -> Void) throws {
    var tensors = try tensors()
    try change(&tensors)
    try write(tensors)
  }

  /// What is wrong with the folder.
  func problems(allowsNoChange: Bool = false) throws -> [String] {
    do {
      _ = try PEFTAdapter.load(folder: url, for: tiny(), allowsNoChange: allowsNoChange)
      return []
    } catch let error as PEFTError {
      return error.problems
    }
  }
}

extension TensorData {
  func named(_ name: String) -> TensorData { TensorData(name: name, dtype: dtype, shape: shape, bytes: bytes) }

  func zeroed() -> TensorData {
    TensorData(name: name, dtype: dtype, shape: shape, bytes: [UInt8](repeating: 0, count: bytes.count))
  }
}

extension LowRankAdapter {
  /// scaling · B A.
  func delta(_ update: LoRADelta) -> [Float] {
    let values = values
    let (a, b) = (Array(values[update.a]), Array(values[update.b]))
    var delta: [Float] = []
    for out in 0..<update.outputs {
      for input in 0..<update.inputs {
        var sum: Float = 0
        for row in 0..<update.rank { sum += b[out * update.rank + row] * a[row * update.inputs + input] }
        delta.append(update.scaling * sum)
      }
    }
    return delta
  }

  func fill() {
    values = (0..<count).map { Float($0 % 97) / 97 - 0.4 }
  }
}
