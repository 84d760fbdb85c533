import Kernels
import Testing

/// The activation of matrix products, and their gate, on panels that are in a cache.
@Suite("Activated products")
struct ActivatedProductTests {
  /// Rows that read the weights where they lie and that don't, and odd widths on both sides of a vector, a tile and a panel.
  private static let sizes = [(1, 1, 1), (1, 300, 70), (5, 131, 300), (17, 7, 9), (33, 259, 20), (70, 45, 257)]

  @Test("they have the bits of the operations one by one", arguments: Precision.allCases, ElementType.allCases)
  func sameBits(_ precision: Precision, _ elementType: ElementType) throws {
    for (rows, columns, depth) in Self.sizes {
      let layers = [nil, numbers(columns, 33)].map { bias in
        let values = numbers(columns * depth, bias == nil ? 31 : 32)
        return Linear(
          weight: OwnedWeights(values, rows: columns, columns: depth, as: elementType).weight, bias: bias)
      }
      let x = Tensor(numbers(rows * depth, 30), rows: rows)
      for instructions in ProductInstructions.available(for: precision) {
        let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 3), instructions: instructions)
        for activation in Activation.all {
          for gate in [layers[1], nil] {
            let same = try backend.isSameOneByOne(activation, gate: gate, up: layers[0], x)
            let name = "\(instructions.rawValue), \(rows) x \(depth) -> \(columns)"
            #expect(same, "\(gate == nil ? "plain" : "gated") \(activation), \(name)")
          }
        }
      }
    }
  }

  @Test("an activation of an element is the same wherever it lies, in place or not", arguments: Activation.all)
  func places(_ activation: Activation) throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    let gate = numbers(1000, 35).enumerated().map { $1 * [1, 10, 100][$0 % 3] }
    let up = numbers(1000, 36)
    func run(_ range: Range<Int>, inPlace: Bool) -> [[Float]] {
      let (plain, x) = (backend.tensor(Array(gate[range]), rows: 1), backend.tensor(Array(gate[range]), rows: 1))
      let output = inPlace ? x : backend.unwritten(rows: 1, columns: range.count)
      backend.activate(activation, plain)
      backend.activate(activation, gate: x, up: backend.tensor(Array(up[range]), rows: 1), into: output)
      return [backend.read(plain), backend.read(output)]
    }
    let whole = run(0..<1000, inPlace: true)
    #expect(run(0..<1000, inPlace: false) == whole)
    for length in [1, 3, 7, 8, 9, 31, 33, 240] {
      let parts = stride(from: 0, to: 1000, by: length).map { $0..<min($0 + length, 1000) }
      for inPlace in [true, false] {
        let results = parts.map { run($0, inPlace: inPlace) }
        #expect([0, 1].map { form in results.flatMap { $0[form] } } == whole, "\(length) at a time")
      }
    }
  }
}

extension Backend {
  fileprivate func isSameOneByOne(_ activation: Activation, gate: Linear?, up: Linear, _ x: Tensor) throws -> Bool {
    func room() -> Tensor { unwritten(rows: x.rows, columns: up.outputs) }
    let (fused, first, second) = (room(), room(), room())
    try withOperand(x) { operand in
      try apply(activation, gate: gate, up: up, to: operand, into: fused)
      try apply(gate ?? up, to: operand, into: first, accumulate: false)
      try apply(up, to: operand, into: second, accumulate: false)
    }
    if gate == nil { activate(activation, first) } else { activate(activation, gate: first, up: second, into: first) }
    return read(fused).map(\.bitPattern) == read(first).map(\.bitPattern)
  }
}
