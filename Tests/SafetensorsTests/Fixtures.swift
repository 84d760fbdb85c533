import Foundation
import Safetensors

/// A folder of its own for one test, gone with the object.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("safetensors-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Writes `bytes` as `name`, making the folders on the way.
  @discardableResult
  func write(_ bytes: [UInt8], as name: String) throws -> URL {
    let file = url.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
    return file
  }

  /// Writes a safetensors file made of these parts, right or wrong.
  @discardableResult
  func write(header: String, dataByteCount: Int, as name: String = "model.safetensors") throws -> URL {
    try write(
      littleEndian(UInt64(header.utf8.count)) + Array(header.utf8) + [UInt8](repeating: 0, count: dataByteCount),
      as: name)
  }
}

func littleEndian(_ value: UInt64) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// A well-formed header entry.
func entry(_ name: String, _ begin: Int, _ end: Int) -> String {
  "\"\(name)\":{\"dtype\":\"U8\",\"shape\":[\(end - begin)],\"data_offsets\":[\(begin),\(end)]}"
}

/// The error that reading `url` as a safetensors file gives.
func readingError(_ url: URL) -> SafetensorsError? {
  errorOf { _ = try SafetensorsFile(contentsOf: url) }
}

func errorOf(_ work: () throws -> Void) -> SafetensorsError? {
  do {
    try work()
    return nil
  } catch {
    return error as? SafetensorsError
  }
}
