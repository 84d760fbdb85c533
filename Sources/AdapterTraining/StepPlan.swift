/// Who computes which sample of a step: known to every rank without a message.
package struct StepPlan {
  /// The samples of each rank, in the order of the batch.
  package let samples: [[Int]]

  /// Gives the costliest sample first, to the rank with the least to do so far.
  ///
  /// - Parameters:
  ///   - batch: the step's samples.
  ///   - cost: of a sample; its number of rows will do.
  package init(batch: [Int], worldSize: Int, cost: (Int) -> Int) {
    var load = [Int](repeating: 0, count: worldSize)
    var places = [[Int]](repeating: [], count: worldSize)
    for place in batch.indices.sorted(by: { (cost(batch[$1]), $0) < (cost(batch[$0]), $1) }) {
      let rank = load.indices.min { (load[$0], $0) < (load[$1], $1) } ?? 0
      load[rank] += cost(batch[place])
      places[rank].append(place)
    }
    samples = places.map { $0.sorted().map { batch[$0] } }
  }
}
