/// n-grams as numbers: equal numbers are equal n-grams, exactly.
///
/// An n-gram is the child, by its last token, of the n-gram before it.
struct NGramTable: Sendable {
  /// The longest n-grams that BLEU and CIDEr count.
  static let longest = 4

  private struct Slot {
    /// (parent + 1, token + 1) in the two halves; 0 is free.
    var key: UInt64 = 0
    var number: Int32 = 0
  }

  private(set) var count = 0
  /// With open addressing; the length is a power of two.
  private var slots = [Slot](repeating: Slot(), count: 1 << 12)

  /// - Parameters:
  ///   - parent: the n-gram without its last token; -1 for none.
  ///   - token: the last token.
  mutating func number(parent: Int32, token: Int32) -> Int32 {
    let key = UInt64(UInt32(bitPattern: parent &+ 1)) << 32 | UInt64(UInt32(bitPattern: token &+ 1))
    let place = place(of: key)
    if slots[place].key == key { return slots[place].number }
    let number = Int32(count)
    slots[place] = Slot(key: key, number: number)
    count += 1
    if count * 2 > slots.count { grow() }
    return number
  }

  /// Where a key is, or would be.
  private func place(of key: UInt64) -> Int {
    let mixed = key &* 0x9e37_79b9_7f4a_7c15
    var place = Int(truncatingIfNeeded: mixed ^ (mixed >> 32)) & (slots.count - 1)
    while slots[place].key != 0, slots[place].key != key { place = (place + 1) & (slots.count - 1) }
    return place
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Slot(), count: old.count * 4)
    for slot in old where slot.key != 0 { slots[place(of: slot.key)] = slot }
  }
}

/// How often each n-gram occurs in each of many texts.
struct NGramCounts: Sendable {
  /// The distinct n-grams of a text, of each order by itself, ascending by number.
  private(set) var numbers: [Int32] = []
  /// How often each occurs in its text.
  private(set) var counts: [Int32] = []
  /// Where order n of text t begins: at t * 4 + n - 1.
  private var starts = [0]
  /// Room to count in, kept from text to text.
  private var grams: [Int32] = []
  private var sorted: [Int32] = []

  var texts: Int { starts.count / NGramTable.longest }

  /// The places in `numbers` and `counts` of the n-grams of one order of a text.
  func range(text: Int, order: Int) -> Range<Int> {
    let at = text * NGramTable.longest + order - 1
    return starts[at]..<starts[at + 1]
  }

  /// The places of all n-grams of a text.
  func range(text: Int) -> Range<Int> {
    starts[text * NGramTable.longest]..<starts[(text + 1) * NGramTable.longest]
  }

  /// Counts the n-grams of one more text.
  mutating func append(_ tokens: ArraySlice<Int32>, _ table: inout NGramTable) {
    // The n-grams that begin at each token, one token longer each round; the last one falls away.
    grams.removeAll(keepingCapacity: true)
    grams.append(contentsOf: repeatElement(-1, count: tokens.count))
    for order in 1...NGramTable.longest {
      if order > 1, !grams.isEmpty { grams.removeLast() }
      let last = tokens.startIndex + order - 1
      for i in grams.indices { grams[i] = table.number(parent: grams[i], token: tokens[last + i]) }
      sorted.removeAll(keepingCapacity: true)
      sorted.append(contentsOf: grams)
      sorted.sort()
      let first = numbers.count
      for number in sorted {
        if numbers.count > first, numbers[numbers.count - 1] == number {
          counts[counts.count - 1] += 1
        } else {
          numbers.append(number)
          counts.append(1)
        }
      }
      starts.append(numbers.count)
    }
  }

  /// Calls `body` with the places of each n-gram that two texts share.
  static func common(
    _ a: NGramCounts, _ places: Range<Int>, _ b: NGramCounts, _ others: Range<Int>, _ body: (Int, Int) -> Void
  ) {
    var (i, j) = (places.lowerBound, others.lowerBound)
    while i < places.upperBound, j < others.upperBound {
      let (left, right) = (a.numbers[i], b.numbers[j])
      if left == right { body(i, j) }
      if left <= right { i += 1 }
      if right <= left { j += 1 }
    }
  }
}
