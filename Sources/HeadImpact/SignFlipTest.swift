/// Tests for each value whether its mean over the images differs from 0: the images' signs are flipped at random.
///
/// Under the hypothesis that a head meets the object as chance does, an image's difference from chance is as likely
/// positive as negative. The p-value is the share of flips whose sum is, without its sign, at least that of the images
/// as they are: of all flips up to `exactImages` images, else of `flips(tests:)` random ones and the images as they are.
///
/// Bit i % 64 of number `flip * ceil(images / 64) + i / 64` of `SplitMix64(seed ^ stream)` flips image i.
///
/// Differences are whole numbers of `unit`, and sums whole numbers: the p-values depend neither on ranks nor on threads.
/// A sum that misses the images' own by no more than rounding counts as equal.
public struct SignFlipTest {
  /// Up to so many images all flips are looked at.
  public static let exactImages = 20
  /// How many random ones, at least and at most.
  static let flipCounts = 10_000...200_000
  /// Sets the flips' random numbers apart from the bootstrap's: "signflip".
  public static let stream: UInt64 = 0x7369_676e_666c_6970
  static let unit = 0x1p-30
  /// Added and taken away again, it rounds a number below 2^51 to a whole one, on any processor in two additions.
  private static let roundsToWhole = 0x1.8p52

  public let images: Int
  public let valueCount: Int
  private let flips: Int
  private let random: SplitMix64
  private let parallel: Bootstrap.ParallelLoop
  private var added = 0
  /// In units. - Shape: [image, vectors * 8]
  private var differences: [Int32] = []

  private var vectors: Int { (valueCount + 7) / 8 }
  private var isExact: Bool { images <= Self.exactImages }

  /// - Parameters:
  ///   - values: how many values are tested here.
  ///   - tests: how many p-values are corrected together, wherever they are tested.
  ///   - parallel: spreads the work over threads.
  /// - Throws: `HeadImpactError` if there is no image or too many.
  public init(
    images: Int, values: Int, tests: Int, seed: UInt64 = 0,
    parallel: @escaping Bootstrap.ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) throws {
    guard (1...Int(Int32.max)).contains(images) else {
      throw HeadImpactError("a sign-flip test over \(images) images; there must be 1...\(Int32.max)")
    }
    precondition(values >= 0)
    (self.images, valueCount, self.parallel) = (images, values, parallel)
    flips = Self.flips(tests: tests)
    random = SplitMix64(seed: seed ^ Self.stream)
    differences.reserveCapacity(images * vectors * 8)
  }

  /// How many random flips tell the p-values of so many tests: the smallest, 1 / (flips + 1), must be at most 0.05 after
  /// Holm's correction, which multiplies it by the number of tests.
  static func flips(tests: Int) -> Int {
    min(max(flipCounts.lowerBound, 20 * tests), flipCounts.upperBound)
  }

  /// The smallest p-value that so many images, or else the random flips, can give.
  static func smallestP(images: Int, tests: Int) -> Double {
    images <= exactImages ? 2 / Double(1 << images) : 1 / Double(flips(tests: tests) + 1)
  }

  /// Adds the next image, in the same order wherever the same bits are required.
  ///
  /// - Parameter difference: the mean over its samples of value - chance; in [-1, 1] but for rounding.
  /// - Throws: `HeadImpactError` if there are more or fewer values, one is out of range, or all images have been added.
  public mutating func add(_ difference: [Double]) throws {
    guard added < images, difference.count == valueCount, difference.allSatisfy({ $0.magnitude <= 1 + 1e-8 }) else {
      throw HeadImpactError(
        "image \(added + 1) of \(images) of a sign-flip test: expected were \(valueCount) differences from -1 to 1")
    }
    added += 1
    let (whole, padding) = (Self.roundsToWhole, 8 * vectors - valueCount)
    for value in difference { differences.append(Int32((value / Self.unit + whole) - whole)) }
    for _ in 0..<padding { differences.append(0) }
  }

  /// The two-sided p-values, once every image has been added.
  ///
  /// - Shape: [value]
  /// - Throws: `HeadImpactError` if images are missing.
  /// - Complexity: O(values * flips * images / 8) additions, of random flips.
  public func pValues() throws -> [Double] {
    try requireAll()
    var p = [Double](repeating: 0, count: valueCount)
    let vectors = vectors
    p.withUnsafeMutableBufferPointer { p in
      parallel(vectors) { vector in
        let lanes = 0..<min(8, p.count - 8 * vector)
        if isExact {
          for lane in lanes { p[8 * vector + lane] = shareOfAll(vector, lane) }
        } else {
          let times = timesOfRandom(vector)
          for lane in lanes { p[8 * vector + lane] = Double(times[lane] + 1) / Double(flips + 1) }
        }
      }
    }
    return p
  }

  /// The mean over the images, which is what is tested: rounded as there, and so with its sign.
  ///
  /// - Shape: [value]
  /// - Throws: `HeadImpactError` if images are missing.
  public func means() throws -> [Double] {
    try requireAll()
    return (0..<valueCount).map { value in
      let sum = (0..<images).reduce(Int64(0)) { $0 + Int64(differences[8 * vectors * $1 + value]) }
      return Double(sum) * Self.unit / Double(images)
    }
  }

  private func requireAll() throws {
    guard added == images else {
      throw HeadImpactError("the sign-flip test was set up for \(images) images and got \(added)")
    }
  }

  // MARK: - All flips

  /// The share of all flips that lead as far from 0 as the images as they are.
  ///
  /// Every flip's sum is one of the first half of the images and one of the second: with both lists in order, those far
  /// enough are counted without being looked at one by one.
  private func shareOfAll(_ vector: Int, _ lane: Int) -> Double {
    let values = (0..<images).map { Int64(differences[8 * ($0 * vectors + vector) + lane]) }
    let far = Self.far(values.reduce(0, +).magnitude, images: images)
    guard far > 0 else { return 1 }
    func sums(_ values: ArraySlice<Int64>) -> [Int64] {
      values.reduce([0]) { sums, value in sums.map { $0 + value } + sums.map { $0 - value } }.sorted()
    }
    let (first, second) = (sums(values.prefix(images / 2)), sums(values.dropFirst(images / 2)))
    var (above, at) = (0, second.count)
    for sum in first {
      while at > 0, sum + second[at - 1] >= far { at -= 1 }
      above += second.count - at
    }
    // Each flip's opposite leads as far to the other side.
    return Double(2 * above) / Double(first.count * second.count)
  }

  /// From where on a sum counts as being as far from 0 as the observed one: in both, each image was rounded by half a
  /// unit at most.
  private static func far(_ observed: UInt64, images: Int) -> Int64 { Int64(observed) - Int64(images) }

  // MARK: - Random flips

  /// How many random flips lead as far from 0 as the images as they are, of each value of a vector.
  private func timesOfRandom(_ vector: Int) -> SIMD8<Int64> {
    var tables = [SIMD8<Int64>](repeating: SIMD8(), count: Self.groupsPerBlock * Self.tableSize)
    return tables.withUnsafeMutableBufferPointer { timesOfRandom(vector, tables: $0) }
  }

  private func timesOfRandom(_ vector: Int, tables: UnsafeMutableBufferPointer<SIMD8<Int64>>) -> SIMD8<Int64> {
    var counts = SIMD8<Int64>()
    var sums = [SIMD8<Int64>](repeating: SIMD8(), count: min(flips, Self.flipsAtATime))
    sums.withUnsafeMutableBufferPointer { sums in
      for first in stride(from: 0, to: flips, by: sums.count) {
        let part = UnsafeMutableBufferPointer(rebasing: sums[..<min(sums.count, flips - first)])
        counts &+= timesOfRandom(vector, from: first, sums: part, tables: tables)
      }
    }
    return counts
  }

  /// The same of the flips from the first of them on, one for each of `sums`.
  private func timesOfRandom(
    _ vector: Int, from first: Int, sums: UnsafeMutableBufferPointer<SIMD8<Int64>>,
    tables: UnsafeMutableBufferPointer<SIMD8<Int64>>
  ) -> SIMD8<Int64> {
    let blocks = (images + Self.imagesPerBlock - 1) / Self.imagesPerBlock
    var observed = SIMD8<Int64>()
    sums.update(repeating: SIMD8())
    for block in 0..<blocks {
      observed &+= fill(tables, vector, block: block)
      let tables = UnsafeBufferPointer(tables)
      for at in sums.indices {
        let bits = random[UInt64(first &+ at) &* UInt64(blocks) &+ UInt64(block)]
        sums[at] &+= Self.sum(tables, bits)
      }
    }
    var far = SIMD8<Int64>()
    for lane in 0..<8 { far[lane] = Self.far(observed[lane].magnitude, images: images) }
    var counts = SIMD8<Int64>()
    for sum in sums {
      let magnitude = sum.replacing(with: SIMD8() &- sum, where: sum .< 0)
      counts.replace(with: counts &+ 1, where: magnitude .>= far)
    }
    return counts
  }

  /// - Parameter bits: bit i flips image i of the block.
  @inline(__always)
  private static func sum(_ tables: UnsafeBufferPointer<SIMD8<Int64>>, _ bits: UInt64) -> SIMD8<Int64> {
    var sum = SIMD8<Int64>()
    for group in 0..<groupsPerBlock {
      let flips = bits >> UInt64(group &* imagesPerGroup) & UInt64(tableSize - 1)
      sum &+= tables[group &* tableSize &+ Int(truncatingIfNeeded: flips)]
    }
    return sum
  }

  /// Their sums stay in the processor's cache.
  private static let flipsAtATime = 10_000
  private static let imagesPerBlock = 64
  private static let imagesPerGroup = 8
  private static var groupsPerBlock: Int { imagesPerBlock / imagesPerGroup }
  private static var tableSize: Int { 1 << imagesPerGroup }

  /// The sums of every way to flip the images of a group: one addition a flip stands for as many as the group has
  /// images.
  ///
  /// - Returns: the sum of the block's images as they are.
  private func fill(
    _ tables: UnsafeMutableBufferPointer<SIMD8<Int64>>, _ vector: Int, block: Int
  ) -> SIMD8<Int64> {
    var observed = SIMD8<Int64>()
    for group in 0..<Self.groupsPerBlock {
      let first = group * Self.tableSize
      var sum = SIMD8<Int64>()
      var differences = [SIMD8<Int64>](repeating: SIMD8(), count: Self.imagesPerGroup)
      for i in 0..<Self.imagesPerGroup {
        let image = block * Self.imagesPerBlock + group * Self.imagesPerGroup + i
        guard image < images else { break }
        for lane in 0..<8 { differences[i][lane] = Int64(self.differences[8 * (image * vectors + vector) + lane]) }
        sum &+= differences[i]
      }
      observed &+= sum
      tables[first] = sum
      // The flips of the first i images are known: flipping image i too takes its difference away twice.
      for i in 0..<Self.imagesPerGroup {
        let twice = differences[i] &+ differences[i]
        for flip in 0..<1 << i { tables[first + (1 << i) + flip] = tables[first + flip] &- twice }
      }
    }
    return observed
  }
}
