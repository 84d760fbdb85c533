/// n-grams as numbers: equal numbers are equal n-grams, exactly.
///
/// An n-gram is the child, by its last token, of the n-gram before it.
struct NGramTable: Sendable {
  /// The longest n-grams that BLEU and CIDEr count.
  static let longest = 4

  private(set) var count = 0
  /// (parent + 1, token + 1) in the two halves, with open addressing; 0 is free. The length is a power of two.
  private var keys = [UInt64](repeating: 0, count: 1 << 12)
  private var numbers = [Int32](repeating: 0, count: 1 << 12)

  /// - Parameters:
  ///   - parent: the n-gram without its last token; -1 for none.
  ///   - token: the last token.
  mutating func number(parent: Int32, token: Int32) -> Int32 {
    let key = UInt64(UInt32(bitPattern: parent &+ 1)) << 32 | UInt64(UInt32(bitPattern: token &+ 1))
    var slot = Self.slot(key, keys.count)
    while keys[slot] != 0 {
      if keys[slot] == key { return numbers[slot] }
      slot = (slot + 1) & (keys.count - 1)
    }
    let number = Int32(count)
    keys[slot] = key
    numbers[slot] = number
    count += 1
    if count * 2 > keys.count { grow() }
    return number
  }

  private static func slot(_ key: UInt64, _ slots: Int) -> Int {
    let mixed = key &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: mixed ^ (mixed >> 32)) & (slots - 1)
  }

  private mutating func grow() {
    let (oldKeys, oldNumbers) = (keys, numbers)
    keys = [UInt64](repeating: 0, count: oldKeys.count * 2)
    numbers = [Int32](repeating: 0, count: oldKeys.count * 2)
    for (key, number) in zip(oldKeys, oldNumbers) where key != 0 {
      var slot = Self.slot(key, keys.count)
      while keys[slot] != 0 { slot = (slot + 1) & (keys.count - 1) }
      keys[slot] = key
      numbers[slot] = number
    }
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
    // The n-grams that end at each token, one token longer each round; the shorter ones fall away at the front.
    var grams = [Int32](repeating: -1, count: tokens.count)
    for order in 1...NGramTable.longest {
      if order > 1, !grams.isEmpty { grams.removeLast() }
      let first = tokens.startIndex + order - 1
      for i in grams.indices { grams[i] = table.number(parent: grams[i], token: tokens[first + i]) }
      for number in grams.sorted() {
        if numbers.count > starts[starts.count - 1], numbers[numbers.count - 1] == number {
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
