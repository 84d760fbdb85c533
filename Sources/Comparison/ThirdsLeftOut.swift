import HeadImpact

/// The images without a random third of them, many times: what rank statistics get their intervals from.
///
/// The bootstrap doesn't suit them: its resamples repeat images, so their means are noisier than those of the data, and
/// noise lowers every correlation of two orders; percentiles of them may all lie below what was measured. Parts without
/// repetition don't have that fault, and how they scatter gives the standard error (the delete-d jackknife, d being a third of
/// the images, which serves statistics that are not smooth too: J. Shao, C. F. J. Wu, "A general theory for jackknife
/// variance estimation", 1989).
///
/// Round r puts the images into the order that Fisher and Yates draw with numbers r * n + i of `SplitMix64`, deals them out to
/// three hands, and leaves each hand out in turn.
struct ThirdsLeftOut: Sendable {
  /// Sets its random numbers apart from the bootstrap's: "thirdsLO".
  static let stream: UInt64 = 0x7468_6972_6473_4c4f
  /// A hand each round and third.
  static let hands = 3

  let images: Int
  let rounds: Int
  private let random: SplitMix64

  /// - Parameter subsets: about how many parts there shall be.
  init(images: Int, subsets: Int, seed: UInt64) {
    self.images = images
    rounds = images < Self.hands ? 0 : (subsets + Self.hands - 1) / Self.hands
    random = SplitMix64(seed: seed ^ Self.stream)
  }

  /// How many images each part has; the order of parts is that of rounds.
  func size(of hand: Int) -> Int { images - (images - hand + Self.hands - 1) / Self.hands }

  /// The scatter of a part about their mean, by that of all images: the square root of m / (n - m).
  var scales: [Double] {
    (0..<rounds * Self.hands).map {
      let size = Double(size(of: $0 % Self.hands))
      return (size / (Double(images) - size)).squareRoot()
    }
  }

  /// The images of each hand.
  func deal(_ round: Int) -> [[Int]] {
    var order = Array(0..<images)
    for place in 0..<images - 1 {
      let counter = UInt64(round) &* UInt64(images) &+ UInt64(place)
      order.swapAt(place, place + random.below(images - place, counter: counter))
    }
    return (0..<Self.hands).map { hand in
      stride(from: hand, to: images, by: Self.hands).map { order[$0] }
    }
  }

  /// The means over each part.
  ///
  /// - Parameters:
  ///   - sums: of each image, [value].
  ///   - counts: how many samples each image's sums are over.
  /// - Returns: [round, hand, value]
  func means(
    _ sums: [[Double]], counts: [Double], parallel: Bootstrap.ParallelLoop
  ) -> [Double] {
    let size = sums.first?.count ?? 0
    var means = [Double](repeating: 0, count: rounds * Self.hands * size)
    means.withUnsafeMutableBufferPointer { means in
      parallel(rounds) { round in
        let hands = deal(round)
        var (handSums, handCounts) = ([[Double]](), [Double]())
        for hand in hands {
          var (sum, count) = ([Double](repeating: 0, count: size), 0.0)
          for image in hand {
            for (index, value) in sums[image].enumerated() { sum[index] += value }
            count += counts[image]
          }
          handSums.append(sum)
          handCounts.append(count)
        }
        for hand in hands.indices {
          let kept = hands.indices.filter { $0 != hand }
          let count = handCounts[kept[0]] + handCounts[kept[1]]
          let start = (round * Self.hands + hand) * size
          for index in 0..<size { means[start + index] = (handSums[kept[0]][index] + handSums[kept[1]][index]) / count }
        }
      }
    }
    return means
  }
}
