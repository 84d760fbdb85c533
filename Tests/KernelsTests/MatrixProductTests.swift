import Kernels
import TestSupport
import Testing

/// Every product: row counts on both sides of a tile and of what reads weights where they lie, odd sizes, and depths and widths
/// on both sides of a block and a panel.
@Suite struct MatrixProductTests {
  static let sizes =
    isDebugBuild
    ? [(1, 1, 1), (1, 70, 300), (3, 7, 5), (17, 33, 300), (5, 70, 513), (16, 33, 257)]
    : [(1, 1, 1), (1, 70, 300), (3, 7, 5), (17, 300, 1100), (64, 256, 1024), (5, 513, 2049), (16, 33, 257)]

  @Test(
    "products have the bits of sums of blocks of 256 fused terms",
    arguments: [.avx2, .avx512].filter(ProductInstructions.available(for: .f32).contains), ElementType.allCases)
  func bits(_ instructions: ProductInstructions, _ elementType: ElementType) throws {
    for precision in Precision.allCases {
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2), instructions: instructions)
      for (rows, columns, depth) in Self.sizes {
        var numbers = Numbers(seed: UInt64(rows * columns + depth))
        let (x, dy) = (numbers.floats(rows * depth), numbers.floats(rows * columns))
        let owned = OwnedWeights(numbers.floats(columns * depth), rows: columns, columns: depth, as: elementType)
        let layer = Linear(weight: owned.weight)
        func taken(_ values: [Float]) -> [Float] {
          precision == .bf16 ? values.map { Plain.float(Plain.bfloat16($0)) } : values
        }
        let weights = taken(owned.weight.floats())
        let forward = Plain.blockedProduct(taken(x), weights, rows: rows, columns: columns, depth: depth)
        #expect(try backend.product(layer, x, rows: rows) == forward, "\(rows) \(columns) \(depth)")
        let turned = (0..<depth * columns).map { weights[$0 % columns * depth + $0 / columns] }
        let backward = Plain.blockedProduct(taken(dy), turned, rows: rows, columns: depth, depth: columns)
        #expect(try backend.productBackward(layer, dy, rows: rows) == backward, "\(rows) \(columns) \(depth)")
      }
    }
  }

  @Test(
    "a row has the same bits alone, among few and among many, on any number of threads", arguments: Precision.allCases)
  func rowsAlone(_ precision: Precision) throws {
    for instructions in ProductInstructions.available(for: precision) {
      let (rows, columns, depth) = isDebugBuild ? (40, 70, 300) : (100, 300, 700)
      let x = numbers(rows * depth, 21)
      let owned = OwnedWeights(numbers(columns * depth, 22), rows: columns, columns: depth, as: .bf16)
      let layer = Linear(weight: owned.weight, bias: numbers(columns, 23))
      let all = try CPUBackend(precision: precision, team: ThreadTeam(count: 3), instructions: instructions)
        .product(layer, x, rows: rows)
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2), instructions: instructions)
      for count in [1, 2, 3, 5, 7, 9, 13, 15, 16, 17, 31] {
        for first in [0, rows - count] {
          let some = try backend.product(layer, Array(x[first * depth..<(first + count) * depth]), rows: count)
          #expect(
            some.elementsEqual(all[first * columns..<(first + count) * columns]),
            "\(instructions.rawValue), \(count) rows from \(first)")
        }
      }
    }
  }

  @Test("a subnormal number counts for the same in a row alone as among others", arguments: Precision.allCases)
  func subnormal(_ precision: Precision) throws {
    for instructions in ProductInstructions.available(for: precision) {
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 1), instructions: instructions)
      // Just below the smallest normal number: bf16 rounds it to that one.
      let row = [Float(bitPattern: 0x7f_ffff), 1]
      let owned = OwnedWeights([1, 0], rows: 1, columns: 2, as: .f32)
      let layer = Linear(weight: owned.weight)
      let alone = try backend.product(layer, row, rows: 1)
      for rows in [2, 20] {
        let all = try backend.product(layer, Array(repeating: row, count: rows).flatMap(\.self), rows: rows)
        #expect(all == Array(repeating: alone[0], count: rows), "\(instructions.rawValue), \(rows) rows")
      }
    }
  }

  @Test(
    "products equal plain ones of the operands that the precision takes", arguments: Precision.allCases,
    ElementType.allCases)
  func plain(_ precision: Precision, _ elementType: ElementType) throws {
    for instructions in ProductInstructions.available(for: precision) {
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2), instructions: instructions)
      for (rows, columns, depth) in Self.sizes {
        var numbers = Numbers(seed: 7)
        let x = numbers.floats(rows * depth)
        let owned = OwnedWeights(numbers.floats(columns * depth), rows: columns, columns: depth, as: elementType)
        func taken(_ values: [Float]) -> [Float] {
          precision == .bf16 ? values.map { Plain.float(Plain.bfloat16($0)) } : values
        }
        let expected = Plain.product(
          taken(x), taken(owned.weight.floats()), rows: rows, columns: columns, depth: depth)
        let y = try backend.product(Linear(weight: owned.weight), x, rows: rows)
        #expect(largestDifference(y, expected) < 2e-4, "\(instructions.rawValue) \(rows) \(columns) \(depth)")
      }
    }
  }

  @Test("instructions of another precision are refused")
  func missing() {
    #expect(throws: MissingInstructions.self) {
      _ = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1), instructions: .bfloat16)
    }
  }

  @Test(
    "weights at any byte give the numbers that aligned ones give, forward and backward",
    arguments: ElementType.allCases, Precision.allCases)
  func unaligned(_ elementType: ElementType, _ precision: Precision) throws {
    for instructions in ProductInstructions.available(for: precision) {
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2), instructions: instructions)
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

  @Test("an operand is lent, and leaves what it is made of alone", arguments: Precision.allCases)
  func operand(_ precision: Precision) throws {
    for instructions in ProductInstructions.available(for: precision) {
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2), instructions: instructions)
      let x = numbers(300 * 1000, 11)
      let owned = OwnedWeights(numbers(1000, 13), rows: 1, columns: 1000, as: .f32)
      let layer = Linear(weight: owned.weight)
      let (tensor, y) = (backend.tensor(x, rows: 300), backend.tensor(rows: 300, columns: 1))
      try backend.withOperand(tensor) { operand in
        try backend.apply(layer, to: operand, into: y, accumulate: false)
        #expect(backend.read(operand.floats) == x)
      }
      #expect(try backend.read(y) == backend.product(layer, x, rows: 300) && backend.read(tensor) == x)
    }
  }

  @Test("two operands at a time are a mistake of ours: the second would need scratch of its own")
  func nested() async {
    await #expect(processExitsWith: .failure) {
      let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
      backend.withOperand(backend.tensor(rows: 1, columns: 1)) { _ in
        backend.withOperand(backend.tensor(rows: 1, columns: 1)) { _ in }
      }
    }
  }
}

extension MatrixProductTests {
  @Test("no rows and no columns give nothing, no terms give the bias", arguments: Precision.allCases)
  func nothing(_ precision: Precision) throws {
    for instructions in ProductInstructions.available(for: precision) {
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2), instructions: instructions)
      func product(rows: Int, columns: Int, depth: Int) throws -> [Float] {
        let owned = OwnedWeights(numbers(columns * depth, 1), rows: columns, columns: depth, as: .f32)
        let layer = Linear(weight: owned.weight, bias: (0..<columns).map { Float($0) })
        let y = rows == 0 ? backend.tensor(rows: 0, columns: columns) : backend.unwritten(rows: rows, columns: columns)
        let x = backend.tensor(rows: rows, columns: depth)
        try backend.withOperand(x) { try backend.apply(layer, to: $0, into: y, accumulate: false) }
        return backend.read(y)
      }
      #expect(try product(rows: 0, columns: 5, depth: 4).isEmpty)
      #expect(try product(rows: 3, columns: 0, depth: 4).isEmpty)
      #expect(try product(rows: 2, columns: 3, depth: 0) == [0, 1, 2, 0, 1, 2])
      #expect(try product(rows: 40, columns: 1, depth: 0) == [Float](repeating: 0, count: 40))
    }
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
