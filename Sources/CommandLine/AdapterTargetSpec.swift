import ArgumentParser
import Foundation
import HDF5Store
import HeadImpact
import IO

/// The layers and heads that `train`'s options name.
struct AdapterTargetSpec {
  private(set) var layers: LayerList?
  private(set) var heads: [Selection.Head]?
  /// The files that chose them, and the `model_sha256` of the model that they are of.
  private(set) var scored: [(source: String, modelSHA256: String?)] = []

  init(layers list: String?, selection path: String?, heads spec: String?, hi: String?) throws {
    if let list {
      do { layers = try LayerList(parsing: list) } catch let error as HeadImpactError {
        throw ValidationError("--layers: \(error).")
      }
    }
    let selection = try path.map { path in
      let bytes: [UInt8]
      do { bytes = try InputFile.read(fileURL(path)) } catch { throw HeadImpactError("\(error)") }
      return try Selection(json: Data(bytes), named: path)
    }
    if let path, let selection { scored.append((path, selection.modelSHA256)) }
    guard let spec else {
      layers = layers ?? selection.map { LayerList($0.layers) }
      return
    }
    if spec.hasPrefix("top:") {
      guard let count = Int(spec.dropFirst(4)), count >= 1 else {
        throw ValidationError("--heads: top:K takes a number of at least 1.")
      }
      let contents = try hi.map { try HeadImpactFile.read(fileURL($0)) }
      if let hi, let contents { scored.append((hi, contents.modelSHA256)) }
      heads = try Self.top(count, selection: selection, hi: contents)
    } else {
      heads = try TypedOptions.parts(spec).map { part in
        guard let head = Selection.Head(part) else {
          throw ValidationError("--heads: \"\(part)\" is not a head; write layer and head as 14.3, or top:K.")
        }
        return head
      }
    }
  }

  private static func top(_ count: Int, selection: Selection?, hi: HeadImpactFile.Contents?) throws -> [Selection.Head]
  {
    if let hi { return try Selection.heads(of: hi.table, strategy: .top, count: count) }
    guard let selection else { throw ValidationError("--heads top:K needs --hi, or --selection with heads.") }
    guard selection.heads.count >= count else {
      throw ValidationError(
        "--heads top:\(count): the selection names \(selection.heads.count) heads; create it with select --heads \(count)."
      )
    }
    return Array(selection.heads.prefix(count))
  }
}
