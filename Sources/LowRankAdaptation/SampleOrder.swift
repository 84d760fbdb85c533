import HeadImpact

/// The order in which samples are trained on: a new permutation each epoch, which depends on the seed and the epoch alone.
///
/// Batches follow one another without regard to epochs: one may hold the end of an epoch and the beginning of the next.
public struct SampleOrder: Sendable {
  public let count: Int
  public let seed: UInt64
  /// False keeps the given order in every epoch.
  public let shuffles: Bool
  private var held: (epoch: Int, order: [Int])?

  public init(count: Int, seed: UInt64, shuffles: Bool) {
    precondition(count > 0)
    self.count = count
    self.seed = seed
    self.shuffles = shuffles
  }

  /// The samples of a step.
  ///
  /// - Parameters:
  ///   - step: from 0.
  ///   - total: samples of the whole run, where the last batch is cut; nil for whole batches.
  public mutating func batch(step: Int, size: Int, total: Int? = nil) -> [Int] {
    let first = step * size
    let end = min(first + size, total ?? .max)
    guard first < end else { return [] }
    return (first..<end).map { sample(at: $0) }
  }

  private mutating func sample(at position: Int) -> Int {
    let (epoch, place) = position.quotientAndRemainder(dividingBy: count)
    guard shuffles else { return place }
    if let held, held.epoch == epoch { return held.order[place] }
    let order = permutation(epoch: epoch)
    held = (epoch, order)
    return order[place]
  }

  /// Fisher and Yates's shuffle.
  private func permutation(epoch: Int) -> [Int] {
    let random = SplitMix64(seed: seed &+ UInt64(epoch) &* 0xE703_7ED1_A0B4_28DB)
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, random.below(i + 1, counter: UInt64(i))) }
    return order
  }
}
