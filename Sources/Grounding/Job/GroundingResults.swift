import Foundation
import RunSupport

/// The places found, in COCO's results format: a list with a box and a mask per expression, as `pycocotools` loads it.
enum GroundingResults {
  /// The file's bytes: one entry per line, by image and then by expression.
  static func bytes(of found: [GroundedExpression]) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let lines = try found.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    return Array(("[\n" + lines.joined(separator: ",\n") + "\n]\n").utf8)
  }

  /// - Throws: `JobError` if the file is none of these.
  static func read(_ url: URL) throws -> [GroundedExpression] {
    let bytes = try JobInputs.read(url)
    do { return try JSONDecoder().decode([GroundedExpression].self, from: Data(bytes)) } catch {
      throw JobError("\(url.path): is not a result of `headimpact ground`: \(error)")
    }
  }
}
