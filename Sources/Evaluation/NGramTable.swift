/// n-grams as numbers: equal numbers are equal n-grams, exactly.
///
/// An n-gram is the child, by its last token, of the n-gram before it.
struct NGramTable: Sendable {
  /// The longest n-grams that BLEU and CIDEr count.
  static let longest = 4

  /// Those of the table that this one extends.
  private let known: NGramSlots
  private let knownCount: Int
  private var own = NGramSlots()

  init() {
    known = NGramSlots()
    knownCount = 0
  }

  private init(extending table: NGramTable) {
    precondition(table.knownCount == 0)
    known = table.own
    knownCount = table.count
  }

  /// How many n-grams there are, numbered from 0.
  var count: Int { knownCount + own.count }

  /// A table for more n-grams, which does not change or copy this one.
  func extended() -> NGramTable { NGramTable(extending: self) }

  /// - Parameters:
  ///   - parent: the n-gram without its last token; -1 for none.
  ///   - token: the last token.
  mutating func number(parent: Int32, token: Int32) -> Int32 {
    if knownCount > 0, parent < knownCount, let number = known.number(parent, token) { return number }
    return own.number(parent, token, orNew: Int32(count))
  }
}

/// A hash table of n-grams with open addressing.
private struct NGramSlots: Sendable {
  private struct Slot {
    var parent: Int32 = 0
    var token: Int32 = 0
    /// -1 where the slot is free.
    var number: Int32 = -1
  }

  private(set) var count = 0
  /// The length is a power of two.
  private var slots = [Slot](repeating: Slot(), count: 1 << 10)

  func number(_ parent: Int32, _ token: Int32) -> Int32? {
    let slot = slots[place(parent, token)]
    return slot.number < 0 ? nil : slot.number
  }

  mutating func number(_ parent: Int32, _ token: Int32, orNew number: Int32) -> Int32 {
    let place = place(parent, token)
    if slots[place].number >= 0 { return slots[place].number }
    slots[place] = Slot(parent: parent, token: token, number: number)
    count += 1
    if count * 3 > slots.count * 2 { grow() }
    return number
  }

  /// Where an n-gram is, or would be.
  private func place(_ parent: Int32, _ token: Int32) -> Int {
    let key = UInt64(UInt32(bitPattern: parent)) << 32 | UInt64(UInt32(bitPattern: token))
    let mixed = key &* 0x9e37_79b9_7f4a_7c15
    var place = Int(truncatingIfNeeded: mixed ^ (mixed >> 32)) & (slots.count - 1)
    while slots[place].number >= 0, slots[place].parent != parent || slots[place].token != token {
      place = (place + 1) & (slots.count - 1)
    }
    return place
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Slot(), count: old.count * 2)
    for slot in old where slot.number >= 0 { slots[place(slot.parent, slot.token)] = slot }
  }
}

/// How often each n-gram occurs in each of many texts.
struct NGramCounts: Sendable {
  /// The distinct n-grams of a text, of each order separately, ascending by number.
  private(set) var numbers: [Int32] = []
  /// How often each occurs in its text.
  private(set) var counts: [Int32] = []
  /// Where order n of text t begins: at t * 4 + n - 1.
  private var starts = [0]
  /// Counting buffer, reused for every text.
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
