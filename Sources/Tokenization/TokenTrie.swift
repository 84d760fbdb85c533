/// Finds which of many strings occur in a text: leftmost first, of those the longest.
struct TokenTrie: Sendable {
  private struct Edge: Hashable {
    let node: Int32
    let byte: UInt8
  }

  private var edges: [Edge: Int32] = [:]
  /// What ends at each node; node 0 is the root.
  private var ends: [Int?] = [nil]
  private var beginnings = [Bool](repeating: false, count: 256)

  var isEmpty: Bool { edges.isEmpty }

  /// `value` is returned when the string is found; of equal strings the first inserted counts.
  mutating func insert(_ string: [UInt8], _ value: Int) {
    guard let first = string.first else { return }
    beginnings[Int(first)] = true
    var node: Int32 = 0
    for byte in string {
      let edge = Edge(node: node, byte: byte)
      if let following = edges[edge] {
        node = following
      } else {
        node = Int32(ends.count)
        ends.append(nil)
        edges[edge] = node
      }
    }
    if ends[Int(node)] == nil { ends[Int(node)] = value }
  }

  /// Every occurrence, none overlapping another.
  func occurrences(in text: [UInt8]) -> [(range: Range<Int>, value: Int)] {
    var result: [(range: Range<Int>, value: Int)] = []
    guard !isEmpty else { return result }
    var start = 0
    while start < text.count {
      guard beginnings[Int(text[start])], let found = longest(in: text, at: start) else {
        start += 1
        continue
      }
      result.append(found)
      start = found.range.upperBound
    }
    return result
  }

  private func longest(in text: [UInt8], at start: Int) -> (range: Range<Int>, value: Int)? {
    var node: Int32 = 0
    var found: (range: Range<Int>, value: Int)?
    var index = start
    while index < text.count, let following = edges[Edge(node: node, byte: text[index])] {
      node = following
      index += 1
      if let value = ends[Int(node)] { found = (start..<index, value) }
    }
    return found
  }
}
