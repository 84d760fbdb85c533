/// Consecutive query rows, and the keys that they see: those of a shared prefix, and their own.
///
/// A key's position is its index among the shared and then the own keys. The last query stands at the position of the last
/// key, the one before it one position earlier, and so on.
public struct AttentionSpan: Sendable, Equatable {
  /// Rows of the queries.
  public let queries: Range<Int>
  /// The keys of a prefix, which every query sees. Other spans may see them too, or those of another prefix.
  public let sharedKeys: Range<Int>
  /// Other spans may have keys of these too.
  public let ownKeys: Range<Int>
  /// Whether a query sees the own keys up to its own position only; if not, all of them: a tile of a vision tower, or a block
  /// that sees itself both ways.
  public let isCausal: Bool
  /// A query at position p sees no key before p - window + 1; nil for all.
  public let window: Int?
  /// Whether its weights are added up (`AttentionSums`).
  public let isObserved: Bool

  public init(
    queries: Range<Int>, sharedKeys: Range<Int>, ownKeys: Range<Int> = 0..<0, isCausal: Bool = true,
    window: Int? = nil, isObserved: Bool = false
  ) {
    precondition(sharedKeys.lowerBound >= 0 && (window ?? 1) >= 1)
    precondition(ownKeys.isEmpty || !isCausal || ownKeys.count >= queries.count)
    self.queries = queries
    self.sharedKeys = sharedKeys
    self.ownKeys = ownKeys
    self.isCausal = isCausal
    self.window = window
    self.isObserved = isObserved
  }

  /// A span whose prefix is the first keys, `0..<sharedKeys`.
  public init(
    queries: Range<Int>, sharedKeys: Int, ownKeys: Range<Int> = 0..<0, isCausal: Bool = true, window: Int? = nil,
    isObserved: Bool = false
  ) {
    self.init(
      queries: queries, sharedKeys: 0..<sharedKeys, ownKeys: ownKeys, isCausal: isCausal, window: window,
      isObserved: isObserved)
  }

  /// All keys.
  var keys: Int { sharedKeys.count + ownKeys.count }

  /// Where a query stands among the keys.
  func position(of query: Int) -> Int { keys - (queries.upperBound - query) }

  /// The positions of the keys that a query sees.
  func positions(seenBy query: Int) -> Range<Int> {
    let position = position(of: query)
    let end = ownKeys.isEmpty || !isCausal ? keys : position + 1
    return min(window.map { max(0, position - $0 + 1) } ?? 0, end)..<end
  }

  /// The most keys that so many consecutive queries see together: those of a causal span end with the last query's own, those
  /// of another with the last key, however far the queries are from it.
  func width(of rows: Int) -> Int {
    guard let window else { return keys }
    return min(keys, window + (isCausal && !ownKeys.isEmpty ? rows : max(rows, queries.count)) - 1)
  }

  /// The positions that consecutive queries see together.
  func positions(seenBy rows: Range<Int>) -> Range<Int> {
    positions(seenBy: rows.lowerBound).lowerBound..<positions(seenBy: rows.upperBound - 1).upperBound
  }

  /// Places as rows of the keys: those of the shared ones, and those of the own ones. Either may be empty.
  func segments(of positions: Range<Int>) -> [2 of KeySegment] {
    let shared = positions.clamped(to: 0..<sharedKeys.count)
    let own = positions.clamped(to: sharedKeys.count..<keys)
    let offset = ownKeys.lowerBound - sharedKeys.count
    return [
      KeySegment(
        rows: shared.lowerBound + sharedKeys.lowerBound..<shared.upperBound + sharedKeys.lowerBound, column: 0),
      KeySegment(
        rows: own.lowerBound + offset..<own.upperBound + offset, column: own.lowerBound - positions.lowerBound),
    ]
  }
}

/// Consecutive rows of the keys, and where their weights begin in a block of rows of the weights.
struct KeySegment {
  let rows: Range<Int>
  let column: Int
}
