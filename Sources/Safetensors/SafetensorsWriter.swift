import Foundation
import IO

/// A tensor to be written.
public struct TensorData: Sendable {
  public let name: String
  public let dtype: SafetensorsDType
  public let shape: [Int]
  /// Little-endian, row-major.
  public let bytes: [UInt8]

  /// - Parameter bytes: of the size given by `shape` and `dtype`.
  public init(name: String, dtype: SafetensorsDType, shape: [Int], bytes: [UInt8]) {
    precondition(bytes.count == shape.reduce(dtype.byteCount, *))
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  /// A float32 tensor.
  public init(name: String, shape: [Int], values: [Float]) {
    self.init(name: name, dtype: .f32, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
  }
}

/// Writes a safetensors file in one step: to a temporary file, flushed to the disk, then renamed, so that a reader sees
/// the old file or the new one and never a part.
///
/// Tensors are laid out by falling element size, then name, which aligns every one of them.
///
/// - Throws: `EnvironmentFault` naming the file and the system's reason. Nothing is left behind then.
public func writeSafetensors(_ tensors: [TensorData], metadata: [String: String] = [:], to url: URL) throws {
  let ordered = tensors.sorted {
    $0.dtype.byteCount != $1.dtype.byteCount
      ? $0.dtype.byteCount > $1.dtype.byteCount : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
  }
  precondition(Set(ordered.map(\.name)).count == ordered.count, "two tensors of one name")
  let header = headerBytes(ordered, metadata)
  let file = try AtomicFile(for: url)
  try header.withUnsafeBytes { try file.append($0) }
  for tensor in ordered { try tensor.bytes.withUnsafeBytes { try file.append($0) } }
  try file.commit()
}

private func headerBytes(_ tensors: [TensorData], _ metadata: [String: String]) -> [UInt8] {
  var members: [String] = []
  if !metadata.isEmpty {
    let entries = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
    members.append("\"__metadata__\":{\(entries.joined(separator: ","))}")
  }
  var end = 0
  for tensor in tensors {
    let shape = tensor.shape.map(String.init).joined(separator: ",")
    let begin = end
    end += tensor.bytes.count
    members.append(
      "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(begin),\(end)]}")
  }
  var text = Array("{\(members.joined(separator: ","))}".utf8)
  text += [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8)
  return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
}

private func quoted(_ text: String) -> String {
  var quoted = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\": quoted += "\\\(scalar)"
    case _ where scalar.value < 0x20:
      let digits = String(scalar.value, radix: 16)
      quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: quoted.unicodeScalars.append(scalar)
    }
  }
  return quoted + "\""
}
