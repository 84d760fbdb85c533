/// Positions in a token sequence, as ascending, disjoint ranges.
public struct TokenRanges: Sendable, Equatable {
  /// None is empty, and none ends where the next begins.
  public let ranges: [Range<Int>]

  public init(_ range: Range<Int>) { ranges = range.isEmpty ? [] : [range] }

  /// - Parameter positions: ascending.
  public init(positions: some Sequence<Int>) {
    var ranges: [Range<Int>] = []
    for position in positions {
      let last = ranges.last?.upperBound ?? .min
      precondition(position >= last, "the positions do not ascend")
      if position == last {
        ranges[ranges.count - 1] = ranges[ranges.count - 1].lowerBound..<position + 1
      } else {
        ranges.append(position..<position + 1)
      }
    }
    self.ranges = ranges
  }

  public var count: Int { ranges.reduce(0) { $0 + $1.count } }
  public var isEmpty: Bool { ranges.isEmpty }

  /// All positions, ascending.
  public var positions: [Int] { ranges.flatMap { $0 } }

  /// One past the last position; 0 if there is none.
  public var end: Int { ranges.last?.upperBound ?? 0 }

  public func contains(_ position: Int) -> Bool { index(of: position) != nil }

  /// How many positions come before this one; nil if it is not one of them.
  public func index(of position: Int) -> Int? {
    var before = 0
    for range in ranges {
      if range.contains(position) { return before + position - range.lowerBound }
      before += range.count
    }
    return nil
  }
}
