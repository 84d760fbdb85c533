/// ROUGE-L (Lin, 2004) as coco-caption computes it: beta 1.2, and the best precision and best recall of all references,
/// which may be those of one reference or of two.
enum RougeL {
  private static let beta = 1.2

  static func score(_ candidate: ArraySlice<Int32>, _ references: [ArraySlice<Int32>]) -> Double {
    var (precision, recall) = (0.0, 0.0)
    for reference in references {
      // To coco-caption a text without tokens is one empty token.
      let common =
        candidate.isEmpty || reference.isEmpty
        ? (candidate.isEmpty && reference.isEmpty ? 1 : 0) : longestCommonSubsequence(candidate, reference)
      precision = max(precision, Double(common) / Double(max(1, candidate.count)))
      recall = max(recall, Double(common) / Double(max(1, reference.count)))
    }
    guard precision > 0, recall > 0 else { return 0 }
    return (1 + beta * beta) * precision * recall / (recall + beta * beta * precision)
  }

  /// - Complexity: O(a.count * b.count)
  private static func longestCommonSubsequence(_ a: ArraySlice<Int32>, _ b: ArraySlice<Int32>) -> Int {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: b.count + 1) { lengths in
      // lengths[j]: of what was read of a, and the first j tokens of b.
      lengths.initialize(repeating: 0)
      for token in a {
        var diagonal = 0
        var j = 1
        for other in b {
          let above = lengths[j]
          lengths[j] = token == other ? diagonal + 1 : max(above, lengths[j - 1])
          diagonal = above
          j += 1
        }
      }
      return lengths[b.count]
    }
  }
}
