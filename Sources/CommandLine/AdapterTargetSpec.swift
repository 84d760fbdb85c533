import ArgumentParser
import Foundation
import HDF5Store
import HeadImpact
import IO

/// What `train`'s options say of the layers and heads to adapt.
struct AdapterTargetSpec {
  private enum Heads {
    case named([Selection.Head])
    /// The best of the selection, or of the scoring run.
    case top(Int)
  }

  /// The layers and heads that the options name.
  struct Targets {
    fileprivate(set) var layers: LayerList?
    fileprivate(set) var heads: [Selection.Head]?
    /// The files that chose them, and the `model_sha256` of the model that they are of.
    fileprivate(set) var scored: [(source: String, modelSHA256: String?)] = []
  }

  private let layers: LayerList?
  private let heads: Heads?
  private let selection: String?
  private let hi: String?

  /// Takes the options apart, and reads no file.
  ///
  /// - Throws: `ValidationError` naming the option.
  init(layers list: String?, selection: String?, heads spec: String?, hi: String?) throws {
    (self.selection, self.hi) = (selection, hi)
    do { layers = try list.map { try LayerList(parsing: $0) } } catch let error as HeadImpactError {
      throw ValidationError("--layers: \(error).")
    }
    heads = try spec.map(Self.heads)
    switch heads {
    case .top:
      guard (selection == nil) != (hi == nil) else {
        throw ValidationError(
          selection == nil
            ? "--heads top:K needs --hi, or --selection with heads."
            : "Give --selection or --hi, not both: --heads top:K takes the heads of one of them.")
      }
    case .named:
      guard selection == nil else {
        throw ValidationError("Give --selection or --heads, not both; --heads top:K takes the selection's heads.")
      }
    case nil: break
    }
  }

  private static func heads(_ spec: String) throws -> Heads {
    if spec.hasPrefix("top:") {
      guard let count = Int(spec.dropFirst(4)), count >= 1 else {
        throw ValidationError("--heads is \(spec); top:K takes a number of at least 1.")
      }
      return .top(count)
    }
    let heads = try Judged.parts(spec, "--heads", such: "14.3,15.0, or top:K").map { part in
      guard let head = Selection.Head(part) else {
        throw ValidationError("--heads: \"\(part)\" is not a head; write layer and head as 14.3, or top:K.")
      }
      return head
    }
    return .named(try Judged.heads(heads, "--heads"))
  }

  /// Reads the files that choose layers and heads.
  ///
  /// - Throws: `HeadImpactError` naming the file; `ValidationError` if it names fewer heads.
  func targets() throws -> Targets {
    var targets = Targets(layers: layers)
    let chosen = try selection.map { path in
      let bytes: [UInt8]
      do { bytes = try InputFile.read(fileURL(path)) } catch { throw HeadImpactError("\(error)") }
      return try Selection(json: Data(bytes), named: path)
    }
    if let selection, let chosen { targets.scored.append((selection, chosen.modelSHA256)) }
    switch heads {
    case nil: targets.layers = layers ?? chosen.map { LayerList($0.layers) }
    case .named(let heads): targets.heads = heads
    case .top(let count):
      if let hi {
        let contents = try HeadImpactFile.read(fileURL(hi))
        targets.scored.append((hi, contents.modelSHA256))
        targets.heads = try Selection.heads(of: contents.table, strategy: .top, count: count)
      } else {
        targets.heads = try Self.top(count, of: chosen?.heads ?? [])
      }
    }
    return targets
  }

  private static func top(_ count: Int, of heads: [Selection.Head]) throws -> [Selection.Head] {
    guard heads.count >= count else {
      throw ValidationError(
        "--heads top:\(count): the selection names \(heads.count) heads; create it with select --heads \(count).")
    }
    return Array(heads.prefix(count))
  }
}
