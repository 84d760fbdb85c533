import Foundation

/// Operations on folders and whole files, with errors that name them.
public enum FileSystem {
  /// Creates a folder and its parents; existing ones stay.
  ///
  /// - Throws: `EnvironmentFault` naming the folder.
  public static func makeFolder(_ url: URL) throws {
    try naming(url, "made") { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
  }

  /// Removes a file, or a folder with its contents.
  ///
  /// - Throws: `EnvironmentFault` naming it.
  public static func remove(_ url: URL) throws {
    try naming(url, "removed") { try FileManager.default.removeItem(at: url) }
  }

  /// The names in a folder, sorted.
  ///
  /// - Throws: `EnvironmentFault` naming the folder.
  public static func names(in folder: URL) throws -> [String] {
    guard let listing = opendir(folder.path) else {
      throw EnvironmentFault(path: folder.path, operation: "listed", code: errno)
    }
    defer { closedir(listing) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw EnvironmentFault(path: folder.path, operation: "listed", code: errno) }
    return names.sorted()
  }

  /// The bytes that an ordinary user may still write to the file system that a folder is on, or will be; nil if it
  /// doesn't say. A quota may leave less.
  public static func freeBytes(in folder: URL) -> Int? {
    var folder = folder.standardizedFileURL
    while !FileManager.default.fileExists(atPath: folder.path), folder.path != "/" { folder.deleteLastPathComponent() }
    var status = statvfs()
    guard statvfs(folder.path, &status) == 0, status.f_blocks > 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? Int.max : Int(clamping: bytes)
  }

  /// The bytes of all files in a folder; 0 if it isn't there.
  public static func size(of folder: URL) -> Int {
    guard let names = FileManager.default.enumerator(atPath: folder.path) else { return 0 }
    return names.compactMap { $0 as? String }.reduce(0) { sum, name in
      var status = stat()
      return lstat(folder.appendingPathComponent(name).path, &status) == 0 ? sum + Int(status.st_size) : sum
    }
  }

  /// Replaces Foundation's text by the system's.
  private static func naming(_ url: URL, _ operation: String, _ body: () throws -> Void) throws {
    do { try body() } catch {
      throw EnvironmentFault(path: url.path, operation: operation, code: posixCode(error as NSError) ?? EIO)
    }
  }
}
