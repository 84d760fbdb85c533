import HeadImpact
import Kernels
import Transformer

/// Limits an adapter to chosen attention heads: an update then changes only what those heads read and write.
///
/// Of `q_proj` the rows of B that make a chosen head's query are trainable, of `k_proj` and `v_proj` the rows of the
/// key-value head that serves it, of `o_proj` the columns of A that take its output. The other factor of each update is
/// trainable: it reaches the residual stream only through the chosen heads. All else stays zero.
public struct HeadMask: Sendable, Equatable {
  /// What training may change in the flat buffer: ascending, none touching the next.
  public let trainableParameters: [Range<Int>]
  /// How many numbers that is.
  public let count: Int
  private let total: Int

  /// The layers of some heads, ascending: those that an adapter for them updates.
  public static func layers(of heads: [Selection.Head]) -> [Int] { Set(heads.map(\.layer)).sorted() }

  /// - Throws: `LowRankAdaptationError` if a head doesn't exist, or the adapter updates the MLP or a layer without
  ///   a chosen head.
  public init(heads: [Selection.Head], adapter: LowRankAdapter, layers: [TransformerLayer]) throws {
    guard !heads.isEmpty else { throw LowRankAdaptationError("no head is chosen; a mask needs at least one") }
    var chosen: [Int: Set<Int>] = [:]
    for head in heads {
      guard layers.indices.contains(head.layer) else {
        throw LowRankAdaptationError(
          "there is no head \(head.layer).\(head.head): the model has \(layers.count) layers, numbered from 0")
      }
      let count = layers[head.layer].attention.shape.heads
      guard (0..<count).contains(head.head) else {
        throw LowRankAdaptationError(
          "there is no head \(head.layer).\(head.head): layer \(head.layer) has \(count) heads, numbered from 0")
      }
      guard chosen[head.layer, default: []].insert(head.head).inserted else {
        throw LowRankAdaptationError("the head \(head.layer).\(head.head) is chosen twice")
      }
    }
    let updated = Set(adapter.updates.map(\.target.layer))
    guard updated == Set(chosen.keys) else {
      throw LowRankAdaptationError(
        "the adapter updates the layers \(updated.sorted()), but the chosen heads are of \(chosen.keys.sorted())")
    }
    var trainable: [Range<Int>] = []
    for update in adapter.updates {
      trainable += try Self.trainable(
        update, heads: (chosen[update.target.layer] ?? []).sorted(), shape: layers[update.target.layer].attention.shape)
    }
    trainableParameters = merged(trainable)
    count = trainableParameters.reduce(0) { $0 + $1.count }
    total = adapter.count
  }

  /// Sets every number of an adapter that isn't trainable to zero.
  public func apply(to adapter: LowRankAdapter) {
    precondition(adapter.count == total)
    adapter.withParameters { parameters in
      var place = 0
      for range in trainableParameters + [total..<total] {
        while place < range.lowerBound {
          parameters[place] = 0
          place += 1
        }
        place = range.upperBound
      }
    }
  }

  private static func trainable(_ update: LoRADelta, heads: [Int], shape: AttentionShape) throws
    -> [Range<Int>]
  {
    let width = shape.headDim
    switch update.target.projection {
    case .query: return [update.a] + rowsOfB(update, blocks: heads, width: width)
    case .key, .value:
      let group = shape.heads / shape.keyValueHeads
      return [update.a] + rowsOfB(update, blocks: Set(heads.map { $0 / group }).sorted(), width: width)
    case .output:
      let columns = (0..<update.rank).flatMap { row in
        heads.map { head in
          let first = update.a.lowerBound + row * update.inputs + head * width
          return first..<first + width
        }
      }
      return columns + [update.b]
    case .gate, .up, .down:
      throw LowRankAdaptationError(
        "\(update.target.module) is not part of an attention head; with heads chosen, targets can be q_proj, k_proj, "
          + "v_proj and o_proj")
    }
  }

  private static func rowsOfB(_ update: LoRADelta, blocks: [Int], width: Int) -> [Range<Int>] {
    blocks.map { block in
      let first = update.b.lowerBound + block * width * update.rank
      return first..<first + width * update.rank
    }
  }
}

/// Ascending ranges, those that touch made one.
private func merged(_ ranges: [Range<Int>]) -> [Range<Int>] {
  var merged: [Range<Int>] = []
  for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
    if let last = merged.last, last.upperBound >= range.lowerBound {
      merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
    } else {
      merged.append(range)
    }
  }
  return merged
}
