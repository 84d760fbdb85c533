/// What the pair of two tokens merges into, found by their ids.
///
/// Open addressing with linear probing: the lookup is the inner step of tokenization, and several times faster than
/// the standard dictionary's keyed hash.
struct PairTable: Sendable {
  struct Merge: Equatable, Sendable {
    /// Place in the list of merges: the lower, the sooner.
    let rank: Int32
    /// The token that results.
    let id: Int32
  }

  private struct Slot: Sendable {
    var key: UInt64 = .max
    var merge = Merge(rank: 0, id: 0)
  }

  private var slots: [Slot]
  private let mask: Int

  /// - Parameter capacity: How many pairs may be inserted at most.
  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    slots = [Slot](repeating: Slot(), count: size)
    mask = size - 1
  }

  /// Ids aren't negative, so no pair has the key of an empty slot.
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  private func slot(of key: UInt64) -> Int {
    var hash = key &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 32
    var index = Int(truncatingIfNeeded: hash) & mask
    while slots[index].key != key, slots[index].key != .max { index = (index + 1) & mask }
    return index
  }

  /// A pair given twice keeps its later merge, as in the tokenizers library.
  mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
    let key = Self.key(left, right)
    slots[slot(of: key)] = Slot(key: key, merge: merge)
  }

  func merge(_ left: Int32, _ right: Int32) -> Merge? {
    let key = Self.key(left, right)
    let found = slots[slot(of: key)]
    return found.key == key ? found.merge : nil
  }
}
