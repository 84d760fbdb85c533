extension Reliability {
  /// What two halves say of each other; nil where it is undefined.
  struct Halves {
    var rankCorrelation: Double?
    var overlap: Double?
    var chosen: Double?
    var random: Double?
  }

  /// Draws halvings, each by itself: the results depend neither on their order nor on threads.
  struct Halving {
    let images: [ImageScores]
    /// Images in a half; ascending.
    let sizes: [Int]
    let top: Int
    let seed: UInt64

    private var heads: Int { images[0].sums.count }

    /// - Returns: of each size.
    func run(_ halving: Int) -> [Halves] {
      let order = order(of: halving)
      let drawn = Selection.draw(top, of: heads, SplitMix64(seed: SplitMix64(seed: ~seed)[UInt64(halving)]))
      let none = [Double](repeating: 0, count: heads)
      var (sums, counts) = ([none, none], [none, none])
      var taken = 0
      return sizes.map { size in
        for place in taken..<2 * size {
          let image = images[order[place]]
          for head in 0..<heads {
            sums[place % 2][head] += image.sums[head]
            counts[place % 2][head] += image.counts[head]
          }
        }
        taken = 2 * size
        let means = (0..<2).map { half in zip(sums[half], counts[half]).map { $0 / $1 } }
        return compare(means[0], means[1], drawn)
      }
    }

    private func order(of halving: Int) -> [Int] {
      let random = SplitMix64(seed: seed)
      let n = images.count
      var order = Array(0..<n)
      for place in 0..<n - 1 {
        let counter = UInt64(halving) &* UInt64(n) &+ UInt64(place)
        order.swapAt(place, place + random.below(n - place, counter: counter))
      }
      return order
    }

    private func compare(_ a: [Double], _ b: [Double], _ drawn: [Int]) -> Halves {
      // A head of which a half has no sample takes no part.
      let known = (0..<heads).filter { a[$0].isFinite && b[$0].isFinite }
      func mean(_ heads: some Collection<Int>, _ values: [Double]) -> Double? {
        heads.isEmpty ? nil : heads.reduce(0) { $0 + values[$1] } / Double(heads.count)
      }
      func both(_ a: Double?, _ b: Double?) -> Double? {
        if let a, let b { (a + b) / 2 } else { nil }
      }
      let (inA, inB) = (known.map { a[$0] }, known.map { b[$0] })
      let bestInA = highestFirst(inA).prefix(top).map { known[$0] }
      let bestInB = highestFirst(inB).prefix(top).map { known[$0] }
      let random = drawn.filter(Set(known).contains)
      return Halves(
        rankCorrelation: RankCorrelation.spearman(inA, inB),
        overlap: known.count < top ? nil : Double(Set(bestInA).intersection(bestInB).count) / Double(top),
        chosen: both(mean(bestInA, b), mean(bestInB, a)), random: both(mean(random, a), mean(random, b)))
    }
  }
}

extension Reliability.Estimate {
  init(_ values: [Double]) {
    guard !values.isEmpty else {
      (mean, lower, upper) = (.nan, .nan, .nan)
      return
    }
    let sorted = values.sorted()
    mean = values.reduce(0, +) / Double(values.count)
    lower = percentile(BootstrapIntervals.percentiles[0], ofSorted: sorted)
    upper = percentile(BootstrapIntervals.percentiles[1], ofSorted: sorted)
  }
}
