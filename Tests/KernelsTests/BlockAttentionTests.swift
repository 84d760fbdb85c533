import Kernels
import TestSupport
import Testing

/// Attention where the rows of a block see one another: each block against plain attention in float64.
@Suite("Attention in blocks")
struct BlockAttentionTests {
  private static let shapes = [
    AttentionShape(heads: 2, keyValueHeads: 2, headDim: 80), AttentionShape(heads: 4, keyValueHeads: 2, headDim: 36),
    AttentionShape(heads: 3, keyValueHeads: 3, headDim: 7, softcap: 2),
  ]
  /// Sizes on both sides of a tile, of a few rows, and of a product's blocks of 256 terms.
  private static let blocks =
    [0..<1, 1..<4, 4..<20, 20..<37] + (isDebugBuild ? [37..<37, 37..<67] : [37..<101, 101..<101, 101..<400])
  private static let length = isDebugBuild ? 67 : 400

  @Test(
    "the output is that of operands rounded to the precision, but for the rounding of the weights",
    arguments: Precision.allCases, shapes)
  func plain(_ precision: Precision, _ shape: AttentionShape) throws {
    let inputs = Inputs(shape, rows: Self.length)
    func taken(_ values: [Float]) -> [Double] {
      values.map { Double(precision == .bf16 ? Plain.float(Plain.bfloat16($0)) : $0) }
    }
    let expected = PlainAttention(
      shape: shape,
      spans: Self.blocks.map { AttentionSpan(queries: $0, sharedKeys: 0, ownKeys: $0, isCausal: false) },
      queries: Self.length, keys: Self.length
    ).output(taken(inputs.queries), taken(inputs.keys), taken(inputs.values))
    // Values are below 1; a weight is rounded by 2^-9 of itself at most, and all weights together are 1.
    let tolerance = precision == .bf16 ? 0x1p-9 + 1e-5 : 1e-5
    for instructions in ProductInstructions.available(for: precision) {
      let output = try inputs.attend(precision, Self.blocks, instructions: instructions)
      let worst = zip(output, expected).map { abs(Double($0) - $1) }.max() ?? .infinity
      #expect(worst < tolerance, "\(instructions.rawValue)")
    }
  }

  @Test("in bf16 what bf16 doesn't hold of queries, keys and values changes no bit", arguments: shapes)
  func roundedOperands(_ shape: AttentionShape) throws {
    var inputs = Inputs(shape, rows: Self.length)
    let exact = try inputs.attend(.bf16, Self.blocks)
    func rounded(_ values: [Float]) -> [Float] { values.map { Plain.float(Plain.bfloat16($0)) } }
    inputs.queries = rounded(inputs.queries)
    inputs.keys = rounded(inputs.keys)
    inputs.values = rounded(inputs.values)
    #expect(try inputs.attend(.bf16, Self.blocks) == exact)
  }

  @Test("in f32 the bits are those of spans", arguments: shapes)
  func spans(_ shape: AttentionShape) throws {
    let inputs = Inputs(shape, rows: Self.length)
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2))
    let output = backend.tensor(rows: Self.length, columns: shape.queryWidth)
    try backend.attend(
      queries: backend.tensor(inputs.queries, rows: Self.length), keys: backend.tensor(inputs.keys, rows: Self.length),
      values: backend.tensor(inputs.values, rows: Self.length), into: output,
      spans: Self.blocks.map { AttentionSpan(queries: $0, sharedKeys: 0, ownKeys: $0, isCausal: false) }, shape: shape,
      adding: nil)
    #expect(try inputs.attend(.f32, Self.blocks) == backend.read(output))
  }

  @Test("a block has the same bits alone, and on any number of threads", arguments: Precision.allCases, shapes)
  func blocksAlone(_ precision: Precision, _ shape: AttentionShape) throws {
    let inputs = Inputs(shape, rows: Self.length)
    let all = try inputs.attend(precision, Self.blocks, threads: 2)
    for threads in isDebugBuild ? [1, 3] : [1, 3, 5, 16] {
      #expect(try inputs.attend(precision, Self.blocks, threads: threads) == all)
    }
    for block in Self.blocks {
      let one = try inputs.attend(precision, [block])
      let own = block.lowerBound * shape.queryWidth..<block.upperBound * shape.queryWidth
      #expect(one[own] == all[own])
      #expect(one[..<own.lowerBound].allSatisfy { $0 == Inputs.unwritten })
      #expect(one[own.upperBound...].allSatisfy { $0 == Inputs.unwritten })
    }
  }

  @Test(
    "a number that isn't finite reaches its own block alone, and stays", arguments: Precision.allCases,
    [Float.nan, .infinity])
  func brokenNumbers(_ precision: Precision, _ broken: Float) throws {
    let shape = Self.shapes[0]
    for part in [\Inputs.queries, \Inputs.keys, \Inputs.values] {
      var inputs = Inputs(shape, rows: Self.length)
      for d in 0..<shape.queryWidth { inputs[keyPath: part][25 * shape.queryWidth + d] = broken }
      let output = try inputs.attend(precision, Self.blocks)
      for row in 0..<Self.length {
        let isFinite = output[row * shape.queryWidth..<(row + 1) * shape.queryWidth].allSatisfy(\.isFinite)
        let isHit = part == \Inputs.queries ? row == 25 : (20..<37).contains(row)
        #expect(isFinite != isHit, "row \(row)")
      }
    }
  }
}

extension BlockAttentionTests {
  struct Inputs {
    static let unwritten: Float = -77
    let shape: AttentionShape
    let rows: Int
    var queries: [Float]
    var keys: [Float]
    var values: [Float]

    init(_ shape: AttentionShape, rows: Int) {
      (self.shape, self.rows) = (shape, rows)
      queries = numbers(rows * shape.queryWidth, 31).map { 2 * $0 }
      keys = numbers(rows * shape.keyValueWidth, 32)
      values = numbers(rows * shape.keyValueWidth, 33)
    }

    func attend(
      _ precision: Precision, _ blocks: [Range<Int>], threads: Int = 2, instructions: ProductInstructions? = nil
    ) throws -> [Float] {
      let backend = try CPUBackend(
        precision: precision, team: ThreadTeam(count: threads), instructions: instructions)
      let output = backend.tensor([Float](repeating: Self.unwritten, count: rows * shape.queryWidth), rows: rows)
      try backend.attend(
        queries: backend.tensor(queries, rows: rows), keys: backend.tensor(keys, rows: rows),
        values: backend.tensor(values, rows: rows), into: output, blocks: blocks, shape: shape)
      return backend.read(output)
    }
  }
}
