import HeadImpact
import Kernels
import MessagePassing

/// How sure a run is of its heads, worked out on all ranks and threads: each rank has some of the rows (a measure of a
/// layer), and is sent only these of every image. The bits are those of one rank and one thread.
struct SharedStatistics {
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
  /// - Returns: the statistics on rank 0, nil elsewhere.
  /// - Throws: on every rank, what `image` throws, `HeadImpactError` where a number is out of range, or `MPIError`.
  func run(
    topLayers: Int, team: ThreadTeam, image: (_ index: Int) throws -> ImageImpact
  ) throws -> HeadImpactStatistics? {
    var own = try world.agree {
      try OwnRows(
        rows(of: world.rank), images: images, layers: layers, heads: heads, options: options,
        parallel: { tasks, body in team.forEach(tasks, work: .max) { task, _ in body(task) } })
    }
    let part = try world.agree { () -> OwnRows.Part? in
      let isComplete =
        try world.rank == 0 ? dealOrTell(image, into: &own) : own.isEmpty || take(into: &own)
      return isComplete && !own.isEmpty ? try own.part() : nil
    }
    // Every rank takes part in each gather: a condition list would end with the first nil.
    let hi = try gather(part?.hi)
    let corrected = try gather(part?.corrected)
    let p = try world.gather(part?.p ?? [])
    let difference = try world.gather(part?.difference ?? [])
    guard let hi, let corrected, let p, let difference else { return nil }
    func intervals(_ parts: [BootstrapIntervals.Part]) throws -> BootstrapIntervals {
      try BootstrapIntervals(layers: layers, heads: heads, topLayers: topLayers, parts: parts)
    }
    return HeadImpactStatistics(
      intervals: try intervals(hi), correctedIntervals: try intervals(corrected),
      beyondChance: try BeyondChance(
        layers: layers, heads: heads, images: images, p: p.flatMap { $0 }, difference: difference.flatMap { $0 }))
  }

  /// - Returns: on rank 0 the parts of all ranks; nil elsewhere.
  private func gather(_ part: BootstrapIntervals.Part?) throws -> [BootstrapIntervals.Part]? {
    let interval = try world.gather(part?.interval ?? [])
    let layerInterval = try world.gather(part?.layerInterval ?? [])
    let layerScores = try world.gather(part?.layerScores ?? [])
    guard let interval, let layerInterval, let layerScores else { return nil }
    return (0..<world.worldSize).map { rank in
      BootstrapIntervals.Part(
        rows: rows(of: rank), interval: interval[rank], layerInterval: layerInterval[rank],
        layerScores: layerScores[rank])
    }
  }

  private func rows(of rank: Int) -> Range<Int> {
    let all = Measure.allCases.count * layers
    return all * rank / world.worldSize..<all * (rank + 1) / world.worldSize
  }

  // MARK: - Rank 0

  private func dealOrTell(_ image: (_ index: Int) throws -> ImageImpact, into rows: inout OwnRows) throws -> Bool {
    var underway: [[SendRequest]] = []
    do {
      try deal(image, into: &rows, &underway)
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
    _ image: (_ index: Int) throws -> ImageImpact, into rows: inout OwnRows, _ underway: inout [[SendRequest]]
  ) throws {
    for first in stride(from: 0, to: images, by: Self.imagesAtATime) {
      var block: [ImageImpact] = []
      for index in first..<min(first + Self.imagesAtATime, images) {
        block.append(try image(index))
        try world.attend()
      }
      underway.append(try send { Self.message(block, $0.lowerBound * heads..<$0.upperBound * heads) })
      while underway.count > Self.blocksUnderway { for request in underway.removeFirst() { try request.wait() } }
      for image in block { try rows.add(image[rows.values]) }
    }
  }

  /// Sends each rank that has rows its own message.
  private func send(_ message: (_ rows: Range<Int>) -> [Double]) throws -> [SendRequest] {
    try (1..<world.worldSize).compactMap { rank in
      let rows = rows(of: rank)
      return rows.isEmpty ? nil : try world.isend(message(rows), to: rank, tag: Self.tag)
    }
  }

  /// How many images there are, then of each: how many samples it has, and whether some of them have no corrected
  /// value; its sums of HI, its sums of corrected HI, its differences from chance, and, if so, how many have none.
  private static func message(_ block: [ImageImpact], _ values: Range<Int>) -> [Double] {
    var message = [Double(block.count)]
    message.reserveCapacity(1 + block.count * (2 + 4 * values.count))
    for image in block {
      let leftOut = image.corrected.leftOut
      message.append(Double(image.hi.samples))
      message.append(leftOut.isEmpty ? 0 : 1)
      message += image.hi.sums[values]
      message += image.corrected.sums[values]
      message += image.difference[values]
      if !leftOut.isEmpty { message += leftOut[values].lazy.map { Double($0) } }
    }
    return message
  }

  // MARK: - The others

  /// - Returns: false if rank 0 failed: it says why.
  private func take(into rows: inout OwnRows) throws -> Bool {
    var failure: (any Error)?
    var taken = 0
    while taken < images {
      let message = try world.receive(Double.self, from: 0, tag: Self.tag).values
      guard let count = message.first.map({ Int($0) }) else { return false }
      precondition(count > 0)
      taken += count
      // After a failure too all that comes is taken: rank 0 waits until it has left.
      guard failure == nil else { continue }
      do {
        for image in Self.images(count, in: message, values: rows.values.count) { try rows.add(image) }
      } catch { failure = error }
    }
    if let failure { throw failure }
    return true
  }

  private static func images(_ count: Int, in message: [Double], values: Int) -> [ImageImpact] {
    var at = 1
    func next(_ count: Int) -> [Double] {
      defer { at += count }
      return Array(message[at..<at + count])
    }
    let images = (0..<count).map { _ in
      let head = next(2)
      let (hi, corrected, difference) = (next(values), next(values), next(values))
      let leftOut = head[1] == 0 ? [] : next(values).map { Int32($0) }
      let samples = Int(head[0])
      return ImageImpact(
        hi: ImageSums(sums: hi, samples: samples),
        corrected: ImageSums(sums: corrected, samples: samples, leftOut: leftOut), difference: difference)
    }
    precondition(at == message.count)
    return images
  }
}

extension ImageImpact {
  /// Some of its values.
  fileprivate subscript(values: Range<Int>) -> ImageImpact {
    let leftOut = corrected.leftOut
    return ImageImpact(
      hi: ImageSums(sums: Array(hi.sums[values]), samples: hi.samples),
      corrected: ImageSums(
        sums: Array(corrected.sums[values]), samples: corrected.samples,
        leftOut: leftOut.isEmpty ? [] : Array(leftOut[values])),
      difference: Array(difference[values]))
  }
}

/// One rank's rows: two bootstraps over the same draws, and the test.
private struct OwnRows {
  struct Part {
    let hi: BootstrapIntervals.Part
    let corrected: BootstrapIntervals.Part
    /// - Shape: [row, head]; so too `difference`.
    let p: [Double]
    let difference: [Double]
  }

  /// Of the rows, among all. - Shape: [measure, layer, head]
  let values: Range<Int>
  private var hi: Bootstrap
  private var corrected: Bootstrap
  private var test: SignFlipTest

  var isEmpty: Bool { values.isEmpty }

  init(
    _ rows: Range<Int>, images: Int, layers: Int, heads: Int, options: HeadImpactOptions,
    parallel: @escaping Bootstrap.ParallelLoop
  ) throws {
    values = rows.lowerBound * heads..<rows.upperBound * heads
    hi = try Bootstrap(
      images: images, layers: layers, heads: heads, resamples: options.bootstrapResamples, rows: rows,
      seed: options.seed, parallel: parallel)
    corrected = try Bootstrap(
      images: images, layers: layers, heads: heads, resamples: options.bootstrapResamples, rows: rows,
      seed: options.seed, drawsOf: hi, parallel: parallel)
    test = try SignFlipTest(
      images: images, values: values.count, tests: layers * heads, seed: options.seed, parallel: parallel)
  }

  mutating func add(_ image: ImageImpact) throws {
    try hi.add(image.hi)
    try corrected.add(image.corrected)
    try test.add(image.difference)
  }

  mutating func part() throws -> Part {
    Part(hi: try hi.part(), corrected: try corrected.part(), p: try test.pValues(), difference: try test.means())
  }
}
