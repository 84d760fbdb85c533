import Foundation
import Safetensors

@testable import VisionLanguage

/// A copy of a golden checkpoint, to be spoilt.
struct ModelFolder {
  let url: URL

  init(of folder: String) throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("model-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: checkpoint(folder), to: url)
  }

  func remove() { try? FileManager.default.removeItem(at: url) }

  func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  func write(_ text: String, to name: String) throws { try Data(text.utf8).write(to: file(name)) }

  /// Sets `path`, keys joined by dots, to a JSON value; nil takes it away.
  func edit(_ name: String, _ path: String, _ json: String?) throws {
    let value = try json.map {
      try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed)
    }
    let root = try JSONSerialization.jsonObject(with: Data(contentsOf: file(name)))
    let edited = set(path.split(separator: ".")[...], of: root, to: value)
    try JSONSerialization.data(withJSONObject: edited).write(to: file(name))
  }

  private func set(_ path: ArraySlice<Substring>, of node: Any, to value: Any?) -> Any {
    guard let key = path.first, var object = node as? [String: Any] else { return node }
    object[String(key)] = path.count == 1 ? value : set(path.dropFirst(), of: object[String(key)] ?? [:], to: value)
    return object
  }

  func tensors() throws -> [TensorData] {
    try SafetensorsCheckpoint(folder: url).tensors.values.map { tensor in
      TensorData(
        name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: tensor.withBytes { Array($0) })
    }
  }

  /// Puts one file in the place of all weights.
  func write(_ tensors: [TensorData]) throws {
    let old = try FileManager.default.contentsOfDirectory(atPath: url.path).filter { $0.contains("safetensors") }
    for name in old { try FileManager.default.removeItem(at: file(name)) }
    try writeSafetensors(tensors, to: file("model.safetensors"))
  }
}

extension TensorData {
  func named(_ name: String) -> TensorData { TensorData(name: name, dtype: dtype, shape: shape, bytes: bytes) }
}

/// Tensors of a Qwen-like checkpoint.
func qwenLoader(_ checkpoint: SafetensorsCheckpoint) -> WeightLoader {
  WeightLoader(checkpoint, .qwenLike(checkpoint.tensors.keys))
}
