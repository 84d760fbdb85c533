extension Selection {
  /// Heads of the whole model, chosen by Head Impact; ties go to the lower index.
  ///
  /// - Parameters:
  ///   - count: 1...all heads
  ///   - seed: of the strategy `random`, which draws as it does layers; else unused.
  /// - Returns: `top` the best first, `bottom` the lowest first, `random` in ascending order.
  /// - Throws: `HeadImpactError` if the count is out of range or a head's HI is not finite.
  public static func heads(
    of table: HeadImpactTable, strategy: Strategy, measure ranked: RankedMeasure = .matched, count: Int,
    seed: UInt64 = 0
  ) throws -> [Head] {
    let all = table.layers * table.heads
    guard (1...all).contains(count) else {
      throw HeadImpactError(
        "\(count) heads can't be chosen: the model has \(table.layers) layers of \(table.heads) heads, so 1...\(all)")
    }
    let scores = try table.scores(ranked)
    func head(_ index: Int) -> Head { Head(layer: index / table.heads, head: index % table.heads) }
    if let index = scores.firstIndex(where: { !$0.isFinite }) {
      throw HeadImpactError("head \(head(index)) has the HI \(scores[index]); it must be finite")
    }
    switch strategy {
    case .top: return highestFirst(scores).prefix(count).map(head)
    case .bottom: return highestFirst(scores.map { -$0 }).prefix(count).map(head)
    case .random: return draw(count, of: all, SplitMix64(seed: seed)).map(head)
    }
  }
}

extension [Selection.Head] {
  /// - Throws: `HeadImpactError` if one does not exist in a model with so many layers and heads per layer.
  public func check(layers: Int, heads: Int) throws {
    for head in self where !(0..<layers).contains(head.layer) || !(0..<heads).contains(head.head) {
      throw HeadImpactError(
        "there is no head \(head): the model has layers 0 to \(layers - 1), of heads 0 to \(heads - 1)")
    }
  }
}

/// A head as people write it: `14.3` is head 3 of layer 14, both from 0.
extension Selection.Head: LosslessStringConvertible {
  public init?(_ text: String) {
    let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let layer = numbers[0], let head = numbers[1], layer >= 0, head >= 0 else { return nil }
    self.init(layer: layer, head: head)
  }

  public var description: String { "\(layer).\(head)" }
}
