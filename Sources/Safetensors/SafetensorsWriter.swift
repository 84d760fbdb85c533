import Foundation

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
/// - Throws: `SafetensorsError` naming the file and the system's reason. Nothing is left behind then.
public func writeSafetensors(_ tensors: [TensorData], metadata: [String: String] = [:], to url: URL) throws {
  let ordered = tensors.sorted {
    $0.dtype.byteCount != $1.dtype.byteCount
      ? $0.dtype.byteCount > $1.dtype.byteCount : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
  }
  precondition(Set(ordered.map(\.name)).count == ordered.count, "two tensors of one name")
  let header = headerBytes(ordered, metadata)
  let folder = url.deletingLastPathComponent()
  let aside = folder.appendingPathComponent(".\(url.lastPathComponent).\(getpid()).partial")
  let descriptor = open(aside.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else { throw SafetensorsError(url.path, "can't be written: \(systemMessage(errno))") }
  var isOpen = true
  do {
    try header.withUnsafeBytes { try writeAll($0, descriptor, url) }
    for tensor in ordered { try tensor.bytes.withUnsafeBytes { try writeAll($0, descriptor, url) } }
    guard fsync(descriptor) == 0 else { throw SafetensorsError(url.path, "can't be flushed: \(systemMessage(errno))") }
    isOpen = false
    guard close(descriptor) == 0 else { throw SafetensorsError(url.path, "can't be closed: \(systemMessage(errno))") }
    guard rename(aside.path, url.path) == 0 else {
      throw SafetensorsError(url.path, "can't be renamed to its final name: \(systemMessage(errno))")
    }
  } catch {
    if isOpen { close(descriptor) }
    unlink(aside.path)
    throw error
  }
  // The rename itself reaches the disk with the folder. Some file systems can't flush folders; the data is safe.
  let folderDescriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  if folderDescriptor >= 0 {
    fsync(folderDescriptor)
    close(folderDescriptor)
  }
}

private func writeAll(_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32, _ url: URL) throws {
  var rest = bytes
  while !rest.isEmpty {
    let written = write(descriptor, rest.baseAddress, rest.count)
    if written < 0, errno == EINTR { continue }
    guard written > 0 else { throw SafetensorsError(url.path, "can't be written: \(systemMessage(errno))") }
    rest = UnsafeRawBufferPointer(rebasing: rest[written...])
  }
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
