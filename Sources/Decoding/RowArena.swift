/// Which rows of a cache are taken. What is taken stays where it is until it is given back.
struct RowArena: Equatable {
  /// All rows.
  let rows: Int
  /// What is free, ascending; between two of them there is something taken.
  private(set) var free: [Range<Int>]

  init(rows: Int) {
    self.rows = rows
    free = rows == 0 ? [] : [0..<rows]
  }

  /// Whether nothing is taken.
  var isEmpty: Bool { free.reduce(0) { $0 + $1.count } == rows }

  /// Takes so many rows that follow one another: the first that are free.
  ///
  /// - Returns: nil if there are none.
  mutating func take(_ count: Int) -> Range<Int>? {
    guard let index = free.firstIndex(where: { $0.count >= count }) else { return nil }
    let place = free[index]
    free[index] = place.lowerBound + count..<place.upperBound
    if free[index].isEmpty { free.remove(at: index) }
    return place.lowerBound..<place.lowerBound + count
  }

  /// Gives back rows that were taken, all of them or some.
  mutating func give(_ taken: Range<Int>) {
    guard !taken.isEmpty else { return }
    precondition(taken.lowerBound >= 0 && taken.upperBound <= rows && !free.contains { $0.overlaps(taken) })
    var whole = taken
    let index = free.firstIndex { $0.lowerBound >= taken.upperBound } ?? free.count
    if index < free.count, free[index].lowerBound == whole.upperBound {
      whole = whole.lowerBound..<free.remove(at: index).upperBound
    }
    if index > 0, free[index - 1].upperBound == whole.lowerBound {
      free[index - 1] = free[index - 1].lowerBound..<whole.upperBound
    } else {
      free.insert(whole, at: index)
    }
  }
}
