/// The actual kind of a file whose first bytes contradict its name.
///
/// Only for files that could not be read as what they should be, or that can't begin like this: a picture may well
/// begin with a gzip's bytes, a JSON text can't.
public enum FileKind: Sendable, Equatable, CaseIterable {
  case gitLFSPointer
  case serverMessage
  case webPage
  case byteOrderMark
  case utf16
  case gzip
  case compressed
  case zip
  case pickle
  case gguf
  case hdf5
  case zeros

  /// How many bytes from the start of a file are looked at, at most.
  public static let firstByteCount = 64

  /// What begins like this; nil if nothing is recognised, as in an empty file.
  ///
  /// - Parameter firstBytes: those from the start of the file, `firstByteCount` where it has as many.
  public static func recognise(_ firstBytes: some Sequence<UInt8>) -> FileKind? {
    let bytes = Array(firstBytes.prefix(firstByteCount))
    if let kind = beginnings.first(where: { bytes.starts(with: $0.bytes) })?.kind { return kind }
    if bytes.count >= 2, bytes[0] == 0 || bytes[1] == 0, "{[\"".utf8.contains(bytes[0] | bytes[1]) { return .utf16 }
    if bytes.count >= 16, bytes.allSatisfy({ $0 == 0 }) { return .zeros }
    let text = bytes.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    if text.first == UInt8(ascii: "<") { return .webPage }
    return nil
  }

  private static let beginnings: [(bytes: [UInt8], kind: FileKind)] = [
    (Array("version https://git-lfs".utf8), .gitLFSPointer),
    // The Hugging Face Hub's answers that replace a file.
    (Array("Entry not found".utf8), .serverMessage),
    (Array("Repository not found".utf8), .serverMessage),
    (Array("Invalid username or password".utf8), .serverMessage),
    (Array("Invalid credentials".utf8), .serverMessage),
    (Array("Access to model".utf8), .serverMessage),
    (Array("Access to this".utf8), .serverMessage),
    ([0xEF, 0xBB, 0xBF], .byteOrderMark),
    ([0xFF, 0xFE], .utf16),
    ([0xFE, 0xFF], .utf16),
    ([0x1F, 0x8B], .gzip),
    ([0x28, 0xB5, 0x2F, 0xFD], .compressed),  // Zstandard
    ([0xFD] + Array("7zXZ".utf8), .compressed),
    (Array("BZh".utf8), .compressed),
    (Array("PK\u{3}\u{4}".utf8), .zip),
    // Protocols 2 to 5; PyTorch wrote 2 until 1.6, and a zip archive since.
    ([0x80, 0x02], .pickle), ([0x80, 0x03], .pickle), ([0x80, 0x04], .pickle), ([0x80, 0x05], .pickle),
    (Array("GGUF".utf8), .gguf),
    ([0x89] + Array("HDF\r\n".utf8), .hdf5),
  ]

  /// The problem and the remedy; follows the file's name.
  public var complaint: String {
    switch self {
    case .gitLFSPointer:
      "is a Git LFS pointer, not the file: fetch the file with `git lfs pull`, or download it from the Hub"
    case .serverMessage:
      "holds a server's error message, not the file: download it again, logged in where that is needed"
    case .webPage: "is a web page or XML, not the file: download it from the address that gives the file itself"
    case .byteOrderMark: "begins with a byte order mark: save it as UTF-8 without one"
    case .utf16: "is UTF-16 or UTF-32: save it as UTF-8"
    case .gzip: "is compressed by gzip: unpack it (gunzip)"
    case .compressed: "is compressed (zstd, xz or bzip2): unpack it"
    case .zip: "is a zip archive, as PyTorch's .bin and .pth files are: unpack it, or save the weights as safetensors"
    case .pickle: "is a Python pickle, as PyTorch's older .bin and .pth files are: save the weights as safetensors"
    case .gguf: "is a GGUF file, which is not read: take the model's safetensors folder from the Hub"
    case .hdf5: "is an HDF5 file"
    case .zeros: "begins with nothing but zeros: an unfinished download; download it again"
    }
  }
}
