import Testing
import Kernels

/// Every product: 3 row counts, odd sizes, and depths and widths on both sides of a panel.
@Suite struct MatrixProductTests {
  static let sizes = [(1, 1, 1), (3, 7, 5), (17, 300, 1100), (64, 256, 1024), (5, 513, 2049)]

  @Test("float32 products equal plain ones", arguments: ElementType.allCases, [1, 2, 3])
  func float32(_ elementType: ElementType, threads: Int) throws {
    let context = try ComputeContext(precision: .f32, team: ThreadTeam(count: threads))
    for (rows, columns, depth) in Self.sizes {
      var numbers = Numbers(seed: UInt64(rows * columns + depth))
      let x = numbers.floats(rows * depth)
      let owned = OwnedWeights(numbers.floats(columns * depth), rows: columns, columns: depth, as: elementType)
      let expected = Plain.product(x, owned.weight.floats(), rows: rows, columns: columns, depth: depth)
      var y = [Float](repeating: .nan, count: rows * columns)
      try context.apply(
        Linear(weight: owned.weight), to: x, rows: rows, into: &y)
      #expect(largestDifference(y, expected) < 2e-4)
    }
  }

  @Test(
    "bf16 products equal plain ones of the rounded operands, with the instructions for it and without",
    arguments: [true, false], ElementType.allCases)
  func bfloat16(_ useInstructions: Bool, _ elementType: ElementType) throws {
    let context = try ComputeContext(
      precision: .bf16, team: ThreadTeam(count: 2),
      useBFloat16Instructions: useInstructions && ComputeContext.hasBFloat16Instructions)
    for (rows, columns, depth) in Self.sizes {
      var numbers = Numbers(seed: 7)
      let x = numbers.floats(rows * depth)
      let rounded = x.map { Plain.float(Plain.bfloat16($0)) }
      let owned = OwnedWeights(numbers.floats(columns * depth), rows: columns, columns: depth, as: elementType)
      // Without the instructions weights of other types are taken as they are: more exact than asked.
      var weights = owned.weight.floats()
      if useInstructions && ComputeContext.hasBFloat16Instructions {
        weights = weights.map { Plain.float(Plain.bfloat16($0)) }
      }
      let expected = Plain.product(rounded, weights, rows: rows, columns: columns, depth: depth)
      var y = [Float](repeating: .nan, count: rows * columns)
      try context.apply(
        Linear(weight: owned.weight), to: x, rows: rows, into: &y)
      #expect(largestDifference(y, expected) < 2e-4)
    }
  }

  @Test(
    "weights at any byte give the numbers that aligned ones give, there and back",
    arguments: ElementType.allCases, Precision.allCases)
  func unaligned(_ elementType: ElementType, _ precision: Precision) throws {
    for useInstructions in [false, ComputeContext.hasBFloat16Instructions] {
      let context = try ComputeContext(
        precision: precision, team: ThreadTeam(count: 2), useBFloat16Instructions: useInstructions)
      for (rows, columns, depth) in Self.sizes {
        var numbers = Numbers(seed: UInt64(columns))
        let (x, dy) = (numbers.floats(rows * depth), numbers.floats(rows * columns))
        let values = numbers.floats(columns * depth)
        func products(shift: Int) throws -> [[Float]] {
          let owned = OwnedWeights(values, rows: columns, columns: depth, as: elementType, shift: shift)
          #expect(owned.weight.isAligned == shift.isMultiple(of: elementType.byteCount))
          let layer = Linear(weight: owned.weight)
          var y = [Float](repeating: .nan, count: rows * columns)
          var dx = [Float](repeating: .nan, count: rows * depth)
          try context.apply(layer, to: x, rows: rows, into: &y)
          try context.applyBackward(layer, to: dy, rows: rows, into: &dx)
          return [y, dx, owned.weight.floats()]
        }
        let aligned = try products(shift: 0)
        for shift in [1, 2, 3] {
          #expect(try products(shift: shift) == aligned, "\(rows) \(columns) \(depth), \(shift)")
        }
      }
    }
  }

  @Test("a product adds its bias, and to what is there where asked", arguments: Precision.allCases)
  func accumulate(_ precision: Precision) throws {
    let context = try ComputeContext(precision: precision, team: ThreadTeam(count: 2))
    let (rows, columns, depth) = (9, 5, 4)
    let owned = OwnedWeights([Float](repeating: 1, count: columns * depth), rows: columns, columns: depth, as: .bf16)
    let layer = Linear(weight: owned.weight, bias: [0, 1, 2, 3, 4])
    let x = [Float](repeating: 0.5, count: rows * depth)
    var y = [Float](repeating: 100, count: rows * columns)
    try context.apply(layer, to: x, rows: rows, into: &y)
    #expect(y.prefix(5).elementsEqual([2, 3, 4, 5, 6]))
    try context.apply(layer, to: x, rows: rows, into: &y, accumulate: true)
    #expect(y.suffix(5).elementsEqual([4, 6, 8, 10, 12]))
  }

  @Test("rows of a fused weight are the product's columns")
  func fused() throws {
    let context = try ComputeContext(precision: .f32, team: ThreadTeam(count: 1))
    let owned = OwnedWeights((0..<12).map(Float.init), rows: 6, columns: 2, as: .f32)
    let fused = Linear(weight: owned.weight, bias: [0, 0, 10, 20, 0, 0])
    let x: [Float] = [1, 1]
    var y: [Float] = [0, 0]
    try context.apply(fused.rows(2..<4), to: x, rows: 1, into: &y)
    #expect(y == [19, 33] as [Float])
  }
}
