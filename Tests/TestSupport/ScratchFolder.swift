import Foundation

/// A folder of its own for one test.
public struct ScratchFolder: Sendable {
  public let url: URL

  /// Runs `body` with a new empty folder, which is removed afterwards.
  public static func with<R>(_ body: (ScratchFolder) throws -> R) throws -> R {
    let scratch = try ScratchFolder()
    defer { scratch.remove() }
    return try body(scratch)
  }

  public static func with<R>(_ body: (ScratchFolder) async throws -> R) async throws -> R {
    let scratch = try ScratchFolder()
    defer { scratch.remove() }
    return try await body(scratch)
  }

  private init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("headimpact-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  private func remove() { try? FileManager.default.removeItem(at: url) }

  public func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  /// The names of everything in the folder.
  public var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
  }
}
