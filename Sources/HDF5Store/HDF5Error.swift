internal import CHDF5

/// What could not be done with an HDF5 file, and why.
public struct HDF5Error: Error, CustomStringConvertible {
  /// The file's path.
  public let file: String
  /// The group, dataset or attribute inside it, such as `/scores/7`; nil if the file itself is meant.
  public let object: String?
  /// What was tried, such as `read`.
  public let operation: String
  /// Why it failed: the library's own messages, or what is wrong and would be right.
  public let reason: String

  public var description: String {
    "\(file): \(object.map { "\($0): " } ?? "")can't \(operation): \(reason)"
  }
}

/// The library's message about its last failure, in a sentence; clears it.
func lastReason() -> String {
  var text = [CChar](repeating: 0, count: 8192)
  chdf5_error_text(&text, text.count)
  let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
  let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  guard let cause = lines.first else { return "the HDF5 library doesn't say why" }
  // A failed system call is described with file descriptors and buffer addresses; its own message is enough.
  for line in lines {
    if let start = line.range(of: "error message = '"), let end = line[start.upperBound...].firstIndex(of: "'") {
      return String(line[start.upperBound..<end])
    }
  }
  if cause.contains("file signature not found") { return "not an HDF5 file" }
  guard let effect = lines.dropFirst().first(where: { $0 != cause }) else { return cause }
  return "\(cause) (\(effect))"
}
