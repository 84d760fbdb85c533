import Foundation

/// Why a file of a model folder can't be used.
public struct UnusableFile: Error, CustomStringConvertible, Equatable, Sendable {
  public let path: String
  /// What is wrong and what to do.
  public let reason: String

  public var description: String { "\(path): \(reason)" }

  public init(path: String, reason: String) {
    self.path = path
    self.reason = reason
  }
}

/// Reads the small files of a model folder.
public enum ModelFile {
  /// The bytes of a JSON or text file.
  ///
  /// - Parameter limit: bytes; reading stops here, however large the file claims to be.
  /// - Throws: `UnusableFile` if the file is missing, no regular file, empty, larger than `limit`, or recognised as
  ///   something else by its first bytes; `EnvironmentFault` where the system refuses.
  public static func text(_ url: URL, upTo limit: Int) throws -> [UInt8] {
    var status = stat()
    if stat(url.path, &status) == 0 {
      let kind = status.st_mode & S_IFMT
      // Opening a named pipe would wait for its writer.
      guard kind == S_IFREG || kind == S_IFDIR else {
        throw UnusableFile(path: url.path, reason: "is not a regular file")
      }
    }
    let bytes: [UInt8]
    do {
      bytes = try InputFile.read(url, upTo: limit + 1)
    } catch let error as MissingFile {
      throw UnusableFile(path: url.path, reason: error.reason)
    } catch let error as FolderForFile {
      throw UnusableFile(path: url.path, reason: error.reason)
    }
    guard bytes.count <= limit else {
      throw UnusableFile(path: url.path, reason: "is larger than \(limit >> 20) MiB, the most that is read")
    }
    guard !bytes.isEmpty else { throw UnusableFile(path: url.path, reason: "is empty: download it again") }
    if let kind = FileKind.recognise(bytes) { throw UnusableFile(path: url.path, reason: kind.complaint) }
    return bytes
  }

  /// Whether something of this name exists, even a dangling link.
  public static func isThere(_ url: URL) -> Bool {
    var status = stat()
    return lstat(url.path, &status) == 0
  }
}
