import HeadImpact
import Kernels
import MessagePassing

extension Communicator {
  /// The bootstrap of Head Impact on all ranks and threads: each rank draws a range of the resamples, and sees every image.
  /// The bits are those of one rank and one thread.
  ///
  /// - Parameters:
  ///   - images: how many there are; the same on every rank.
  ///   - image: rank 0's; gives the next image, ascending by id. Not called on other ranks.
  /// - Returns: the intervals on rank 0, nil elsewhere.
  /// - Throws: on every rank, what `image` throws, `HeadImpactError` where a number is out of range, or `MPIError`.
  func bootstrap(
    images: Int, layers: Int, heads: Int, topLayers: Int, options: HeadImpactOptions, team: ThreadTeam,
    image: (_ index: Int) throws -> ImageSums
  ) throws -> BootstrapIntervals? {
    let resamples = options.bootstrapResamples
    let parallel: Bootstrap.ParallelLoop = { tasks, body in
      team.forEach(tasks, work: .max) { task, _ in body(task) }
    }
    var bootstrap = try agree {
      try Bootstrap(
        images: images, layers: layers, heads: heads, resamples: resamples,
        range: resamples * rank / worldSize..<resamples * (rank + 1) / worldSize, seed: options.seed,
        parallel: parallel)
    }
    let values = Measure.allCases.count * layers * heads
    let imagesAtATime = 64
    for first in stride(from: 0, to: images, by: imagesAtATime) {
      let count = min(imagesAtATime, images - first)
      // Each image's number of samples, then its sums.
      let block = try agree { () -> [Double]? in
        guard rank == 0 else { return nil }
        return try (first..<first + count).flatMap { index in
          let image = try image(index)
          return [Double(image.samples)] + image.sums
        }
      }
      let all = try broadcast(block)
      try agree {
        for image in 0..<count {
          let start = image * (1 + values)
          let sums = Array(all[start + 1..<start + 1 + values])
          try bootstrap.add(ImageSums(sums: sums, samples: Int(all[start])))
        }
      }
    }
    guard let replicates = try gather(bootstrap.replicates()) else { return nil }
    return try BootstrapIntervals(
      layers: layers, heads: heads, topLayers: topLayers, replicates: replicates.flatMap { $0 }, parallel: parallel)
  }
}
