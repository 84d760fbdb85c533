/// How far a candidate's tokens are those of a reference, whatever their order.
enum TokenF1 {
  /// The harmonic mean of precision and recall over tokens, of the best reference (SQuAD's F1, Rajpurkar et al., 2016). 0 for a
  /// text without tokens.
  static func score(_ candidate: ArraySlice<Int32>, _ references: [ArraySlice<Int32>]) -> Double {
    let sorted = candidate.sorted()
    return references.map { reference in
      let common = common(sorted, reference.sorted())
      return common == 0 ? 0 : 2 * Double(common) / Double(candidate.count + reference.count)
    }.max() ?? 0
  }

  /// 100 where the tokens are those of a reference, in order; else 0. 0 for a text without tokens.
  ///
  /// - Units: percent, as of answers (`VQAEvaluation`).
  static func exactMatch(_ candidate: ArraySlice<Int32>, _ references: [ArraySlice<Int32>]) -> Double {
    !candidate.isEmpty && references.contains { $0 == candidate } ? 100 : 0
  }

  private static func common(_ a: [Int32], _ b: [Int32]) -> Int {
    var (i, j, common) = (0, 0, 0)
    while i < a.count, j < b.count {
      if a[i] == b[j] { common += 1 }
      let (left, right) = (a[i], b[j])
      if left <= right { i += 1 }
      if right <= left { j += 1 }
    }
    return common
  }
}
