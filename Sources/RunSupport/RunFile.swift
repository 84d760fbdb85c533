import Foundation
import IO

/// Which run a finished output is of, where its own format can't say: `OUTPUT.run` beside it.
///
/// It holds the digest of the output too. So it never speaks for another file, whatever a kill left or a person copied,
/// and it may be written first: a run that ends between the two has no output yet, and continues from its journal.
public struct RunFile: Codable, Equatable, Sendable {
  public let run: RunIdentity
  public let outputSHA256: String
  public let skips: SkipCounts

  private enum CodingKeys: String, CodingKey {
    case run
    case outputSHA256 = "output_sha256"
    case skips
  }

  public init(_ run: RunIdentity, output: [UInt8], skips: SkipCounts) throws {
    self.run = run
    outputSHA256 = try output.withUnsafeBytes { try SHA256.hex(of: $0) }
    self.skips = skips
  }

  /// The file beside an output: OUTPUT.run.
  public static func url(of output: URL) -> URL { output.appendingPathExtension("run") }

  /// - Throws: `EnvironmentFault` naming the file.
  public func write(beside output: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(try encoder.encode(self) + Data("\n".utf8), to: Self.url(of: output))
  }

  /// Whether there is one beside the file, and it is that file's.
  ///
  /// - Throws: `JobError` if one of them can't be read.
  public static func isBeside(_ output: URL) throws -> Bool {
    guard FileManager.default.fileExists(atPath: url(of: output).path) else { return false }
    let bytes = try JobInputs.read(url(of: output))
    let found: RunFile
    // Another's file of that name says nothing.
    do { found = try JSONDecoder().decode(RunFile.self, from: Data(bytes)) } catch { return false }
    return try JobInputs.read(output).withUnsafeBytes { try SHA256.hex(of: $0) } == found.outputSHA256
  }

  /// What a finished output's run skipped.
  ///
  /// - Throws: `JobError` if it isn't known which run the output is of, or it is of another.
  public static func check(_ output: URL, isOf run: RunIdentity) throws -> SkipCounts {
    let url = url(of: output)
    guard FileManager.default.fileExists(atPath: url.path) else {
      throw JobError(
        "\(output.path): is finished, but \(url.lastPathComponent), which identifies its run, is missing: it was "
          + "moved, or an older version made the output. Choose another --output, or remove it and start over")
    }
    let bytes = try JobInputs.read(url)
    let found: RunFile
    do { found = try JSONDecoder().decode(RunFile.self, from: Data(bytes)) } catch {
      throw JobError("\(url.path): does not identify the run of \(output.lastPathComponent); choose another --output")
    }
    let digest = try JobInputs.read(output).withUnsafeBytes { try SHA256.hex(of: $0) }
    guard digest == found.outputSHA256 else {
      throw JobError(
        "\(output.path): is not the file that the run of \(url.lastPathComponent) wrote (its SHA-256 is \(digest), that run's was "
          + "\(found.outputSHA256)); choose another --output")
    }
    try found.run.requireSame(as: run, finished: output)
    return found.skips
  }
}
