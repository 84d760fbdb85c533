/// Names of a list that are spelt much like one that isn't in it: "did you mean".
public enum NearNames {
  /// The nearest first, at most three: those that take few changes of letters, or one of whose words does, and those that
  /// contain the name, or are in it.
  public static func of(_ name: String, in known: some Sequence<String>) -> [String] {
    let sought = name.lowercased()
    let near = known.compactMap { candidate -> (distance: Int, whole: Int, name: String)? in
      let lower = candidate.lowercased()
      let whole = distance(sought, lower)
      let least = lower.split(separator: " ").map { distance(sought, String($0)) }.reduce(whole, min)
      let isWithin = sought.count > 2 && (lower.contains(sought) || sought.contains(lower) && lower.count > 2)
      return least <= max(1, (sought.count + 1) / 3) || isWithin ? (least, whole, candidate) : nil
    }
    return near.sorted { ($0.distance, $0.whole, $0.name) < ($1.distance, $1.whole, $1.name) }.prefix(3).map(\.name)
  }

  /// How many letters must be inserted, removed or replaced (Levenshtein).
  static func distance(_ one: String, _ other: String) -> Int {
    let other = Array(other)
    var row = Array(0...other.count)
    for (index, letter) in one.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for at in other.indices {
        let replaced = diagonal + (letter == other[at] ? 0 : 1)
        diagonal = row[at + 1]
        row[at + 1] = min(replaced, row[at] + 1, row[at + 1] + 1)
      }
    }
    return row[other.count]
  }
}
