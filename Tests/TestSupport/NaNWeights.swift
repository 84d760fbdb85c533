import Foundation

/// Overwrites the language model's tensors whose names end so with NaN, in a folder with one weight file.
///
/// - Throws: where there is no such tensor.
public func fillWithNaN(_ suffixes: String..., in model: URL) throws {
  let file = model.appendingPathComponent("model.safetensors")
  var bytes = try Data(contentsOf: file)
  let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  let header = try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: [String: Any]] ?? [:]
  let tensors = header.filter { name, _ in suffixes.contains { name.hasSuffix($0) } && !name.contains("visual") }
  guard !tensors.isEmpty else { throw CocoaError(.coderValueNotFound) }
  for tensor in tensors.values {
    guard let offsets = tensor["data_offsets"] as? [Int], let type = tensor["dtype"] as? String else {
      throw CocoaError(.coderInvalidValue)
    }
    let pattern: [UInt8] = type == "F32" ? [0, 0, 0xC0, 0x7F] : type == "BF16" ? [0xC0, 0x7F] : [0, 0x7E]
    for at in offsets[0]..<offsets[1] { bytes[8 + length + at] = pattern[(at - offsets[0]) % pattern.count] }
  }
  try bytes.write(to: file)
}
