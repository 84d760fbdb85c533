/// A token of a word under way, and how many bytes of the word it covers.
struct WordSymbol: Equatable, Sendable {
  var id: Int32
  var length: Int32
}

extension PairTable {
  /// Above this a heap finds the next merge; below, looking at all pairs is quicker.
  private static let shortWord = 40

  /// Merges pairs of neighbours, always the pair of lowest rank and of those the leftmost, until none is left.
  func mergeAll(_ symbols: [WordSymbol]) -> [WordSymbol] {
    symbols.count <= Self.shortWord ? mergeShort(symbols) : mergeLong(symbols)
  }

  private func mergeShort(_ word: [WordSymbol]) -> [WordSymbol] {
    guard word.count > 1 else { return word }
    var symbols = word
    // merges[i] is that of symbols i and i + 1.
    var merges = (1..<symbols.count).map { merge(symbols[$0 - 1].id, symbols[$0].id) }
    while true {
      var best: (index: Int, merge: Merge)?
      for (index, candidate) in merges.enumerated() {
        if let candidate, candidate.rank < best?.merge.rank ?? .max { best = (index, candidate) }
      }
      guard let (index, merged) = best else { return symbols }
      symbols[index].id = merged.id
      symbols[index].length += symbols[index + 1].length
      symbols.remove(at: index + 1)
      merges.remove(at: index)
      if index > 0 { merges[index - 1] = merge(symbols[index - 1].id, symbols[index].id) }
      if index < merges.count { merges[index] = merge(symbols[index].id, symbols[index + 1].id) }
    }
  }

  /// In n log n steps, so that a "word" of 100 kB is not a problem.
  private func mergeLong(_ word: [WordSymbol]) -> [WordSymbol] {
    var symbols = word
    let count = symbols.count
    // A linked list: next[i] of the last and previous[0] lie outside.
    var next = Array(1...count)
    var previous = Array(-1..<(count - 1))
    var queue = MinimumHeap()
    func enqueue(_ left: Int, _ right: Int) {
      guard left >= 0, right < count, let merge = merge(symbols[left].id, symbols[right].id) else { return }
      queue.push(UInt64(UInt32(bitPattern: merge.rank)) << 32 | UInt64(left))
    }
    for index in 1..<count { enqueue(index - 1, index) }
    while let entry = queue.pop() {
      let left = Int(entry & 0xFFFF_FFFF)
      let right = next[left]
      // An entry is out of date where its pair is no longer what it was.
      guard symbols[left].length > 0, right < count, let merge = merge(symbols[left].id, symbols[right].id),
        UInt64(UInt32(bitPattern: merge.rank)) == entry >> 32
      else { continue }
      symbols[left].id = merge.id
      symbols[left].length += symbols[right].length
      symbols[right].length = 0
      next[left] = next[right]
      if next[left] < count { previous[next[left]] = left }
      enqueue(previous[left], left)
      enqueue(left, next[left])
    }
    return symbols.filter { $0.length > 0 }
  }
}

/// A binary heap of numbers, smallest first.
struct MinimumHeap {
  private var items: [UInt64] = []

  mutating func push(_ item: UInt64) {
    var index = items.count
    items.append(item)
    while index > 0, items[(index - 1) / 2] > item {
      items[index] = items[(index - 1) / 2]
      index = (index - 1) / 2
    }
    items[index] = item
  }

  mutating func pop() -> UInt64? {
    guard let first = items.first, let last = items.popLast() else { return nil }
    guard !items.isEmpty else { return first }
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < items.count else { break }
      if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
      guard items[child] < last else { break }
      items[index] = items[child]
      index = child
    }
    items[index] = last
    return first
  }
}
