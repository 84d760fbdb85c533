import HeadImpact
import Transformer

/// The part of an adapter that belongs to chosen heads: the rest stays zero and is not trained, so that the whole is an
/// ordinary adapter.
///
/// A head has rows of B in q_proj, those of its key-value head in k_proj and v_proj (grouped queries share one), and columns
/// of A in o_proj.
public struct HeadMask: Sendable, Equatable {
  /// The numbers of the flat buffer that may change, ascending and apart.
  public let freeParameters: [Range<Int>]

  public var count: Int { freeParameters.reduce(0) { $0 + $1.count } }

  /// Every number of the adapter.
  public init(all adapter: LowRankAdapter) { freeParameters = [0..<adapter.count] }

  /// - Throws: `LowRankAdaptationError` where a head isn't one of the model's adapted layers, or a target has no heads.
  public init(
    _ heads: [Selection.Head], of adapter: LowRankAdapter, layers: [DecoderLayer]
  ) throws {
    guard !heads.isEmpty else { throw LowRankAdaptationError("no head is named: at least one must be") }
    let adapted = Set(adapter.updates.map(\.site.layer))
    for head in heads {
      guard layers.indices.contains(head.layer), (0..<layers[head.layer].attention.shape.heads).contains(head.head) else {
        throw LowRankAdaptationError(
          "there is no head \(head.layer).\(head.head): the model has \(layers.count) layers of "
            + "\(layers.first?.attention.shape.heads ?? 0) heads, counted from 0")
      }
      guard adapted.contains(head.layer) else {
        throw LowRankAdaptationError("head \(head.layer).\(head.head) is of a layer that isn't adapted")
      }
    }
    var free: [Range<Int>] = []
    for update in adapter.updates {
      let shape = layers[update.site.layer].attention.shape
      let chosen = heads.filter { $0.layer == update.site.layer }.map(\.head)
      guard !chosen.isEmpty else { continue }
      switch update.site.projection {
      case .query: free += [update.a] + Self.rows(chosen, shape.headDim, of: update)
      case .key, .value:
        let groups = Set(chosen.map { $0 / (shape.heads / shape.keyValueHeads) })
        free += [update.a] + Self.rows(Array(groups), shape.headDim, of: update)
      case .output:
        for row in 0..<update.rank {
          free += chosen.map { head in
            let first = update.a.lowerBound + row * update.inputs + head * shape.headDim
            return first..<first + shape.headDim
          }
        }
        free.append(update.b)
      case .gate, .up, .down:
        throw LowRankAdaptationError(
          "\(update.site.projection.rawValue) belongs to no head: with heads, targets are among q_proj, k_proj, v_proj, o_proj"
        )
      }
    }
    freeParameters = Self.merged(free)
  }

  /// Rows of B, `size` of them for each block.
  private static func rows(_ blocks: [Int], _ size: Int, of update: LowRankAdapter.Update) -> [Range<Int>] {
    blocks.map { block in
      let first = update.b.lowerBound + block * size * update.rank
      return first..<first + size * update.rank
    }
  }

  private static func merged(_ ranges: [Range<Int>]) -> [Range<Int>] {
    ranges.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { merged, range in
      if let last = merged.last, last.upperBound >= range.lowerBound {
        merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
  }

  /// Sets everything else to zero.
  public func apply(to adapter: LowRankAdapter) {
    var at = 0
    for range in freeParameters + [adapter.count..<adapter.count] {
      for index in at..<range.lowerBound { adapter.parameters[index] = 0 }
      at = range.upperBound
    }
  }
}
