import HeadImpact
import Kernels
import MessagePassing

/// The bootstrap of Head Impact on all ranks and threads: each rank has some of the rows (a measure of a layer), and is
/// sent only these of every image. The bits are those of one rank and one thread.
struct SharedBootstrap {
  private static let tag = 101
  private static let imagesAtATime = 64
  /// Blocks on their way to other ranks.
  private static let blocksUnderway = 2

  private let world: Communicator
  private let images: Int
  private let layers: Int
  private let heads: Int
  private let options: HeadImpactOptions

  /// - Parameter images: how many there are; the same on every rank.
  init(images: Int, layers: Int, heads: Int, options: HeadImpactOptions, on world: Communicator) {
    (self.images, self.layers, self.heads) = (images, layers, heads)
    (self.options, self.world) = (options, world)
  }

  /// Every rank calls it at the same time.
  ///
  /// - Parameter image: rank 0's; gives an image, asked for ascending by id. Not called on other ranks.
  /// - Returns: the intervals on rank 0, nil elsewhere.
  /// - Throws: on every rank, what `image` throws, `HeadImpactError` where a number is out of range, or `MPIError`.
  func intervals(
    topLayers: Int, team: ThreadTeam, image: (_ index: Int) throws -> ImageSums
  ) throws -> BootstrapIntervals? {
    var bootstrap = try world.agree {
      try Bootstrap(
        images: images, layers: layers, heads: heads, resamples: options.bootstrapResamples, rows: rows(of: world.rank),
        seed: options.seed, parallel: { tasks, body in team.forEach(tasks, work: .max) { task, _ in body(task) } })
    }
    let part = try world.agree { () -> BootstrapIntervals.Part? in
      let isComplete =
        try world.rank == 0 ? dealOrTell(image, into: &bootstrap) : bootstrap.rows.isEmpty || take(into: &bootstrap)
      return isComplete && !bootstrap.rows.isEmpty ? try bootstrap.part() : nil
    }
    // Every rank takes part in all three: a condition list would end with the first nil.
    let interval = try world.gather(part?.interval ?? [])
    let layerInterval = try world.gather(part?.layerInterval ?? [])
    let layerScores = try world.gather(part?.layerScores ?? [])
    guard let interval, let layerInterval, let layerScores else { return nil }
    let parts = (0..<world.worldSize).map { rank in
      BootstrapIntervals.Part(
        rows: rows(of: rank), interval: interval[rank], layerInterval: layerInterval[rank],
        layerScores: layerScores[rank])
    }
    return try BootstrapIntervals(layers: layers, heads: heads, topLayers: topLayers, parts: parts)
  }

  private func rows(of rank: Int) -> Range<Int> {
    let all = Measure.allCases.count * layers
    return all * rank / world.worldSize..<all * (rank + 1) / world.worldSize
  }

  // MARK: - Rank 0

  private func dealOrTell(
    _ image: (_ index: Int) throws -> ImageSums, into bootstrap: inout Bootstrap
  ) throws -> Bool {
    var underway: [[SendRequest]] = []
    do {
      try deal(image, into: &bootstrap, &underway)
    } catch {
      // Whoever waits for images must come to the agreement.
      underway.append(try send { _ in [] })
      for requests in underway { for request in requests { try request.wait() } }
      throw error
    }
    for requests in underway { for request in requests { try request.wait() } }
    return true
  }

  private func deal(
    _ image: (_ index: Int) throws -> ImageSums, into bootstrap: inout Bootstrap, _ underway: inout [[SendRequest]]
  ) throws {
    for first in stride(from: 0, to: images, by: Self.imagesAtATime) {
      var block: [ImageSums] = []
      for index in first..<min(first + Self.imagesAtATime, images) {
        block.append(try image(index))
        try world.attend()
      }
      underway.append(try send { Self.message(block, $0.lowerBound * heads..<$0.upperBound * heads) })
      while underway.count > Self.blocksUnderway { for request in underway.removeFirst() { try request.wait() } }
      let own = bootstrap.rows.lowerBound * heads..<bootstrap.rows.upperBound * heads
      for image in block { try bootstrap.add(ImageSums(sums: Array(image.sums[own]), samples: image.samples)) }
    }
  }

  /// Sends each rank that has rows its own message.
  private func send(_ message: (_ rows: Range<Int>) -> [Double]) throws -> [SendRequest] {
    try (1..<world.worldSize).compactMap { rank in
      let rows = rows(of: rank)
      return rows.isEmpty ? nil : try world.isend(message(rows), to: rank, tag: Self.tag)
    }
  }

  /// How many images there are, how many samples each has, and the sums of each.
  private static func message(_ block: [ImageSums], _ values: Range<Int>) -> [Double] {
    var message = [Double(block.count)]
    message.reserveCapacity(1 + block.count * (1 + values.count))
    message += block.map { Double($0.samples) }
    for image in block { message += image.sums[values] }
    return message
  }

  // MARK: - The others

  /// - Returns: false if rank 0 failed: it says why.
  private func take(into bootstrap: inout Bootstrap) throws -> Bool {
    var failure: (any Error)?
    var taken = 0
    while taken < images {
      let message = try world.receive(Double.self, from: 0, tag: Self.tag).values
      guard let count = message.first.map({ Int($0) }) else { return false }
      precondition(count > 0 && message.count == 1 + count * (1 + bootstrap.valueCount))
      taken += count
      // After a failure too all that comes is taken: rank 0 waits until it has left.
      guard failure == nil else { continue }
      do {
        for image in 0..<count {
          let start = 1 + count + image * bootstrap.valueCount
          try bootstrap.add(
            ImageSums(
              sums: Array(message[start..<start + bootstrap.valueCount]), samples: Int(message[1 + image])))
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
    return true
  }
}
