import Foundation

/// A folder of its own for one test.
struct Scratch {
  let folder: URL

  /// Runs `body` with a new empty folder, which is removed afterwards.
  static func with<R>(_ body: (Scratch) throws -> R) throws -> R {
    let scratch = try Scratch()
    defer { scratch.remove() }
    return try body(scratch)
  }

  static func with<R>(_ body: (Scratch) async throws -> R) async throws -> R {
    let scratch = try Scratch()
    defer { scratch.remove() }
    return try await body(scratch)
  }

  private init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("hdf5store-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// The names of all files in the folder.
  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }
}
