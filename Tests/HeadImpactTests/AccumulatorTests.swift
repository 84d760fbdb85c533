import Testing

@testable import HeadImpact

@Suite("Sums over samples")
struct AccumulatorTests {
  @Test("any division of the samples, in any order, gives the same bits", arguments: [1, 2, 3, 5, 40])
  func partitions(ranks: Int) throws {
    let samples = try (0..<40).map { try randomSample($0) }
    var whole = HeadImpactAccumulator(layers: 2, heads: 3)
    for sample in samples { try whole.add(sample) }

    var parts = [HeadImpactAccumulator](repeating: HeadImpactAccumulator(layers: 2, heads: 3), count: ranks)
    let random = SplitMix64(seed: UInt64(ranks))
    for (i, sample) in samples.reversed().enumerated() {
      try parts[random.below(ranks, counter: UInt64(i))].add(sample)
    }

    // As MPI_SUM does: element by element.
    var limbs = [Int64](repeating: 0, count: whole.limbs.count)
    for part in parts { for (i, limb) in part.limbs.enumerated() { limbs[i] += limb } }
    #expect(limbs == whole.limbs)
    #expect(try HeadImpactAccumulator(layers: 2, heads: 3, limbs: limbs).table() == whole.table())

    var merged = HeadImpactAccumulator(layers: 2, heads: 3)
    for part in parts.reversed() { try merged.merge(part) }
    #expect(merged == whole)
  }

  @Test("the table holds means and standard errors")
  func table() throws {
    var accumulator = HeadImpactAccumulator(layers: 2, heads: 3)
    let samples = try (0..<7).map { try randomSample($0) }
    for sample in samples { try accumulator.add(sample) }
    let table = try accumulator.table()
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    for i in 0..<36 {
      let hi = samples.map { $0.hi[i] }
      let variance = hi.map { ($0 - mean(hi)) * ($0 - mean(hi)) }.reduce(0, +) / 6
      #expect(abs(table.hi[i] - mean(hi)) < 1e-15)
      #expect(abs(table.stderr[i] - (variance / 7).squareRoot()) < 1e-15)
      #expect(abs(table.chance[i] - mean(samples.map { $0.chance[i] })) < 1e-15)
      #expect(abs(table.nosink[i] - mean(samples.map { $0.nosink[i] })) < 1e-15)
    }
    for i in 0..<6 { #expect(abs(table.sinkShare[i] - mean(samples.map { $0.sinkShare[i] })) < 1e-15) }
    #expect(table.samples == 7)
  }

  @Test("equal values have no standard error, whatever their last bits", arguments: [0.1, 1.0 / 3, 1 - 0x1p-53, 0, 1])
  func noSpread(value: Double) throws {
    var accumulator = HeadImpactAccumulator(layers: 1, heads: 1)
    for id in 0..<1000 { try accumulator.add(sample(id, layers: 1, heads: 1) { value }) }
    let table = try accumulator.table()
    #expect(table.hi.allSatisfy { $0 == value })
    #expect(table.stderr.allSatisfy { $0 >= 0 && $0 < 1e-15 })
  }

  @Test("values that differ in the last bit have just that spread")
  func lastBit() throws {
    var accumulator = HeadImpactAccumulator(layers: 1, heads: 1)
    try accumulator.add(sample(0, layers: 1, heads: 1) { 0.75 })
    try accumulator.add(sample(1, layers: 1, heads: 1) { 0.75.nextUp })
    #expect(try accumulator.table().stderr[0] == 0x1p-54)
  }

  @Test("one sample has no standard error, none no table")
  func few() throws {
    var accumulator = HeadImpactAccumulator(layers: 1, heads: 1)
    #expect(throws: HeadImpactError.self) { try accumulator.table() }
    try accumulator.add(sample(0, layers: 1, heads: 1) { 0.5 })
    #expect(try accumulator.table().stderr.allSatisfy(\.isNaN))
  }

  @Test("samples, sums and limbs of another shape are refused")
  func shapes() throws {
    var accumulator = HeadImpactAccumulator(layers: 2, heads: 3)
    #expect(throws: HeadImpactError.self) { try accumulator.add(sample(0, layers: 3, heads: 2) { 0 }) }
    #expect(throws: HeadImpactError.self) { try accumulator.merge(HeadImpactAccumulator(layers: 2, heads: 2)) }
    #expect(throws: HeadImpactError.self) {
      try HeadImpactAccumulator(layers: 2, heads: 3, limbs: accumulator.limbs.dropLast())
    }
    var limbs = accumulator.limbs
    limbs[0] = -1
    #expect(throws: HeadImpactError.self) { try HeadImpactAccumulator(layers: 2, heads: 3, limbs: limbs) }
  }
}

func sample(_ id: Int, image: Int? = nil, layers: Int, heads: Int, _ value: () -> Double) throws -> SampleImpact {
  func values(_ count: Int) -> [Double] { (0..<count).map { _ in value() } }
  return try SampleImpact(
    annotationID: id, imageID: image ?? id, categoryID: 3,
    tokens: SampleImpact.TokenCounts(sequence: 60, visual: 30, caption: 5, mask: 4), layers: layers, heads: heads,
    hi: values(6 * layers * heads), chance: values(6 * layers * heads), nosink: values(6 * layers * heads),
    sinkShare: values(layers * heads))
}

/// 2 layers of 3 heads; values of all magnitudes in [0, 1].
func randomSample(_ id: Int, image: Int? = nil) throws -> SampleImpact {
  let random = SplitMix64(seed: UInt64(bitPattern: Int64(id)))
  var counter: UInt64 = 0
  return try sample(id, image: image, layers: 2, heads: 3) {
    counter += 2
    return Double(random[counter]) * 0x1p-64
      * Double(sign: .plus, exponent: -(counter % 3 == 0 ? 40 : 0), significand: 1)
  }
}
