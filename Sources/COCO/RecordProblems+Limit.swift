extension RecordProblems {
  /// The samples that are left out, of a run that uses a file's first samples only.
  ///
  /// - Parameter last: the highest id that is used; nil if all are.
  public func lost(upTo last: Int64?) -> [RecordProblem] {
    guard let last else { return lost }
    return lost.filter { $0.id.map { $0 <= last } ?? false }
  }

  /// How many they are.
  public func lostSamples(upTo last: Int64?) -> Int { last == nil ? lostSamples : lost(upTo: last).count }
}
