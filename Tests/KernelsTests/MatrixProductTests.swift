import Kernels
import Testing

/// Every product: 3 row counts, odd sizes, and depths and widths on both sides of a panel.
@Suite struct MatrixProductTests {
  static let sizes = [(1, 1, 1), (3, 7, 5), (17, 300, 1100), (64, 256, 1024), (5, 513, 2049)]

  @Test("float32 products equal plain ones", arguments: ElementType.allCases, [1, 2, 3])
  func float32(_ elementType: ElementType, threads: Int) throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: threads))
    for (rows, columns, depth) in Self.sizes {
      var numbers = Numbers(seed: UInt64(rows * columns + depth))
      let x = numbers.floats(rows * depth)
      let owned = OwnedWeights(numbers.floats(columns * depth), rows: columns, columns: depth, as: elementType)
      let expected = Plain.product(x, owned.weight.floats(), rows: rows, columns: columns, depth: depth)
      let y = try backend.product(Linear(weight: owned.weight), x, rows: rows)
      #expect(largestDifference(y, expected) < 2e-4)
    }
  }

  @Test(
    "bf16 products equal plain ones of the rounded operands, with the instructions for it and without",
    arguments: [true, false], ElementType.allCases)
  func bfloat16(_ useInstructions: Bool, _ elementType: ElementType) throws {
    let backend = try CPUBackend(
      precision: .bf16, team: ThreadTeam(count: 2),
      useBFloat16Instructions: useInstructions && CPUBackend.hasBFloat16Instructions)
    for (rows, columns, depth) in Self.sizes {
      var numbers = Numbers(seed: 7)
      let x = numbers.floats(rows * depth)
      let rounded = x.map { Plain.float(Plain.bfloat16($0)) }
      let owned = OwnedWeights(numbers.floats(columns * depth), rows: columns, columns: depth, as: elementType)
      // Without the instructions weights of other types are taken as they are: more exact than asked.
      var weights = owned.weight.floats()
      if useInstructions && CPUBackend.hasBFloat16Instructions {
        weights = weights.map { Plain.float(Plain.bfloat16($0)) }
      }
      let expected = Plain.product(rounded, weights, rows: rows, columns: columns, depth: depth)
      let y = try backend.product(Linear(weight: owned.weight), x, rows: rows)
      #expect(largestDifference(y, expected) < 2e-4)
    }
  }

  @Test(
    "weights at any byte give the numbers that aligned ones give, forward and backward",
    arguments: ElementType.allCases, Precision.allCases)
  func unaligned(_ elementType: ElementType, _ precision: Precision) throws {
    for useInstructions in [false, CPUBackend.hasBFloat16Instructions] {
      let backend = try CPUBackend(
        precision: precision, team: ThreadTeam(count: 2), useBFloat16Instructions: useInstructions)
      for (rows, columns, depth) in Self.sizes {
        var numbers = Numbers(seed: UInt64(columns))
        let (x, dy) = (numbers.floats(rows * depth), numbers.floats(rows * columns))
        let values = numbers.floats(columns * depth)
        func products(shift: Int) throws -> [[Float]] {
          let owned = OwnedWeights(values, rows: columns, columns: depth, as: elementType, shift: shift)
          #expect(owned.weight.isAligned == shift.isMultiple(of: elementType.byteCount))
          let layer = Linear(weight: owned.weight)
          return [
            try backend.product(layer, x, rows: rows), try backend.productBackward(layer, dy, rows: rows),
            backend.read(owned.weight),
          ]
        }
        let aligned = try products(shift: 0)
        for shift in [1, 2, 3] {
          #expect(try products(shift: shift) == aligned, "\(rows) \(columns) \(depth), \(shift)")
        }
      }
    }
  }

  @Test("a product adds its bias, and accumulates on request", arguments: Precision.allCases)
  func accumulate(_ precision: Precision) throws {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
    let (rows, columns, depth) = (9, 5, 4)
    let owned = OwnedWeights([Float](repeating: 1, count: columns * depth), rows: columns, columns: depth, as: .bf16)
    let layer = Linear(weight: owned.weight, bias: [0, 1, 2, 3, 4])
    let x = [Float](repeating: 0.5, count: rows * depth)
    let y = backend.tensor([Float](repeating: 100, count: rows * columns), rows: rows)
    try backend.withOperand(backend.tensor(x, rows: rows)) { operand in
      try backend.apply(layer, to: operand, into: y, accumulate: false)
      #expect(backend.read(y).prefix(5).elementsEqual([2, 3, 4, 5, 6]))
      try backend.apply(layer, to: operand, into: y, accumulate: true)
      #expect(backend.read(y).suffix(5).elementsEqual([4, 6, 8, 10, 12]))
    }
  }

  @Test("rows of a fused weight are the product's columns")
  func fused() throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    let owned = OwnedWeights((0..<12).map(Float.init), rows: 6, columns: 2, as: .f32)
    let fused = Linear(weight: owned.weight, bias: [0, 0, 10, 20, 0, 0])
    #expect(try backend.product(fused.rows(2..<4), [1, 1], rows: 1) == [19, 33])
  }

  @Test("an operand is lent, and leaves what it is made of alone", arguments: [true, false], Precision.allCases)
  func operand(_ useInstructions: Bool, _ precision: Precision) throws {
    let backend = try CPUBackend(
      precision: precision, team: ThreadTeam(count: 2),
      useBFloat16Instructions: useInstructions && CPUBackend.hasBFloat16Instructions)
    let (x, other) = (numbers(300 * 1000, 11), numbers(300 * 1000, 12))
    let rounded = x.map { precision == .bf16 ? Plain.float(Plain.bfloat16($0)) : $0 }
    let owned = OwnedWeights(numbers(1000, 13), rows: 1, columns: 1000, as: .f32)
    let layer = Linear(weight: owned.weight)
    let (tensor, nested) = (backend.tensor(x, rows: 300), backend.tensor(rows: 300, columns: 1))
    try backend.withOperand(tensor) { operand in
      // Another operand meanwhile has scratch of its own.
      backend.withOperand(backend.tensor(other, rows: 300)) { _ in }
      try backend.apply(layer, to: operand, into: nested, accumulate: false)
      if !useInstructions || !CPUBackend.hasBFloat16Instructions {
        #expect(backend.read(operand.floats) == rounded)
      }
    }
    #expect(try backend.read(nested) == backend.product(layer, x, rows: 300) && backend.read(tensor) == x)
  }

  @Test("an operand's last rows are an operand", arguments: Precision.allCases)
  func lastRows(_ precision: Precision) throws {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
    let x = numbers(40 * 30, 14)
    let owned = OwnedWeights(numbers(7 * 30, 15), rows: 7, columns: 30, as: .bf16)
    let layer = Linear(weight: owned.weight)
    let last = backend.unwritten(rows: 15, columns: 7)
    try backend.withOperand(backend.tensor(x, rows: 40)) {
      try $0.withRows(from: 25) { try backend.apply(layer, to: $0, into: last, accumulate: false) }
    }
    #expect(
      try largestDifference(backend.read(last), Array(backend.product(layer, x, rows: 40)[175...]).doubles) < 1e-5)
  }
}

extension Backend {
  /// - Shape: x [rows, in], the result [rows, out].
  func product(_ layer: Linear, _ x: [Float], rows: Int) throws -> [Float] {
    let y = unwritten(rows: rows, columns: layer.outputs)
    try withOperand(tensor(x, rows: rows)) { try apply(layer, to: $0, into: y, accumulate: false) }
    return read(y)
  }

  /// - Shape: dy [rows, out], the result [rows, in].
  func productBackward(_ layer: Linear, _ dy: [Float], rows: Int) throws -> [Float] {
    let dx = unwritten(rows: rows, columns: layer.inputs)
    try withOperand(tensor(dy, rows: rows)) { try applyBackward(layer, to: $0, into: dx, accumulate: false) }
    return read(dx)
  }
}
