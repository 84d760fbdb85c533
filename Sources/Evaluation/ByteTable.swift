/// Byte strings as numbers: each new one gets the next number from 0.
///
/// A dictionary of `String` would hash slowly, and fold canonically equal strings together.
struct ByteTable: Sendable {
  private(set) var count = 0
  /// All byte strings, one after the other; number i ends at `ends[i]`.
  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  private var hashes: [UInt64] = []
  /// Numbers by hash, with open addressing; -1 is free. The length is a power of two.
  private var slots = [Int32](repeating: -1, count: 1 << 10)

  /// The number of a byte string, a new one where it is new.
  mutating func number(of string: UnsafeBufferPointer<UInt8>) -> (number: Int32, isNew: Bool) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in string { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    hash ^= hash >> 29
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] >= 0 {
      let number = Int(slots[slot])
      if hashes[number] == hash, isEqual(number, string) { return (Int32(number), false) }
      slot = (slot + 1) & (slots.count - 1)
    }
    slots[slot] = Int32(count)
    bytes.append(contentsOf: string)
    ends.append(bytes.count)
    hashes.append(hash)
    count += 1
    if count * 2 > slots.count { grow() }
    return (Int32(count - 1), true)
  }

  /// The byte string of a number.
  subscript(number: Int32) -> ArraySlice<UInt8> { bytes[range(Int(number))] }

  private func range(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

  private func isEqual(_ number: Int, _ string: UnsafeBufferPointer<UInt8>) -> Bool {
    let range = range(number)
    guard range.count == string.count else { return false }
    return bytes.withUnsafeBytes { bytes in
      UnsafeRawBufferPointer(rebasing: bytes[range]).elementsEqual(UnsafeRawBufferPointer(string))
    }
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    for (number, hash) in hashes.enumerated() {
      var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
      while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = Int32(number)
    }
  }
}
