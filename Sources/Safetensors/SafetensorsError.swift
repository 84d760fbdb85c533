/// What is wrong with a safetensors file, index or checkpoint folder, and where.
public struct SafetensorsError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file or folder.
  public let path: String
  /// The tensor concerned, where there is one.
  public let tensor: String?
  /// - Units: bytes from the start of the file, where a place can be named.
  public let offset: Int?
  /// What is wrong and what would be right.
  public let reason: String

  init(_ path: String, tensor: String? = nil, offset: Int? = nil, _ reason: String) {
    self.path = path
    self.tensor = tensor
    self.offset = offset
    self.reason = reason
  }

  public var description: String {
    var place = path
    if let tensor { place += ": tensor '\(printable(tensor))'" }
    if let offset { place += ": byte \(offset)" }
    return "\(place): \(reason)"
  }
}

/// A name from a file as it may be shown: a hostile one may be megabytes long or hold control characters.
package func printable(_ name: String) -> String {
  let shown = name.unicodeScalars.prefix(120).map { scalar in
    scalar.value < 0x20 || scalar.value == 0x7F ? "\u{FFFD}" : Character(scalar)
  }
  return String(shown) + (name.unicodeScalars.dropFirst(120).isEmpty ? "" : "…")
}
