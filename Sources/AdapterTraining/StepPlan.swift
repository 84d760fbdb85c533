/// Who computes which sample of a step: known to every rank without a message.
package struct StepPlan {
  /// The step's samples.
  package let batch: [Int]
  /// The rank of each of them.
  package let ranks: [Int]
  /// The samples of each rank, in the order of the batch.
  package let samples: [[Int]]

  /// Gives the costliest sample first, to the rank with the least to do so far.
  ///
  /// - Parameters:
  ///   - batch: the step's samples.
  ///   - costs: of each of them.
  package init(batch: [Int], costs: [Double], worldSize: Int) {
    precondition(costs.count == batch.count)
    var load = [Double](repeating: 0, count: worldSize)
    var ranks = [Int](repeating: 0, count: batch.count)
    for place in batch.indices.sorted(by: { (costs[$1], $0) < (costs[$0], $1) }) {
      let rank = load.indices.min { (load[$0], $0) < (load[$1], $1) } ?? 0
      load[rank] += costs[place]
      ranks[place] = rank
    }
    self.batch = batch
    self.ranks = ranks
    samples = (0..<worldSize).map { rank in batch.indices.filter { ranks[$0] == rank }.map { batch[$0] } }
  }
}
