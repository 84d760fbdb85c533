import HeadImpact

/// In which order training walks over a dataset's samples.
public enum SampleOrder: Sendable, Equatable {
  /// As the dataset lists them, epoch after epoch.
  case none
  /// Each epoch in an order of its own, which depends on the seed and the epoch alone.
  case shuffled(seed: UInt64)

  /// The samples 0..<count of an epoch, from 0, in order.
  public func permutation(epoch: Int, count: Int) -> [Int] {
    var order = Array(0..<count)
    guard case .shuffled(let seed) = self else { return order }
    // Another stream than the first adapter's, which may have the same seed.
    let random = SplitMix64(seed: SplitMix64(seed: seed ^ 0x6f72_6465_7200_0000)[UInt64(epoch)])
    for i in order.indices { order.swapAt(i, i + random.below(count - i, counter: UInt64(i))) }
    return order
  }

  /// The samples of one step. Batches run across the ends of epochs.
  ///
  /// - Parameters:
  ///   - step: from 0.
  ///   - batch: samples a step, over all ranks.
  ///   - count: of the dataset; at least 1.
  ///   - totalSamples: how many are walked over in all: the last batch ends there, and later ones are empty.
  public func indices(forStep step: Int, batch: Int, count: Int, totalSamples: Int? = nil) -> [Int] {
    precondition(step >= 0 && batch >= 1 && count >= 1)
    let first = step * batch
    let end = min(first + batch, totalSamples ?? .max)
    var indices: [Int] = []
    var position = first
    while position < end {
      let (epoch, place) = position.quotientAndRemainder(dividingBy: count)
      let taken = min(count - place, end - position)
      indices += permutation(epoch: epoch, count: count)[place..<place + taken]
      position += taken
    }
    return indices
  }
}
