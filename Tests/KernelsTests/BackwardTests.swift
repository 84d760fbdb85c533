import CVectorMath
import Foundation
import Kernels
import Testing

/// What the list of operations doesn't show of the backward operations.
@Suite("Backward operations")
struct BackwardTests {
  let backend: CPUBackend

  init() throws { backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2)) }

  @Test("linear layer in bf16", arguments: ProductInstructions.available(for: .bf16))
  func linearInBFloat16(_ instructions: ProductInstructions) throws {
    let narrow = try CPUBackend(precision: .bf16, team: ThreadTeam(count: 2), instructions: instructions)
    var numbers = Numbers(seed: 5)
    let (rows, outputs, inputs) = (3, 70, 1100)
    let owned = OwnedWeights(numbers.floats(outputs * inputs), rows: outputs, columns: inputs, as: .bf16)
    let weights = owned.weight.floats()
    let dy = numbers.floats(rows * outputs)
    let rounded = dy.map { Plain.float(Plain.bfloat16($0)) }
    let expected = (0..<rows * inputs).map { at in
      (0..<outputs).reduce(0.0) {
        $0 + Double(rounded[at / inputs * outputs + $1]) * Double(weights[$1 * inputs + at % inputs])
      }
    }
    let dx = try narrow.productBackward(Linear(weight: owned.weight), dy, rows: rows)
    #expect(largestDifference(dx, expected) < 2e-4)
  }

  @Test("attention of more rows than a block holds gives the same gradients on any number of threads")
  func attentionOnThreads() throws {
    let shape = AttentionShape(heads: 2, keyValueHeads: 1, headDim: 8)
    let span = AttentionSpan(queries: 0..<500, sharedKeys: 0, ownKeys: 0..<500)
    let (wide, narrow) = (500 * 16, 500 * 8)
    let results = try [1, 2, 3].map { threads in
      let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: threads))
      let gradients = [16, 8, 8].map { backend.unwritten(rows: 500, columns: $0) }
      try backend.attendBackward(
        backend.tensor(numbers(wide, 8), rows: 500), queries: backend.tensor(numbers(wide, 9), rows: 500),
        keys: backend.tensor(numbers(narrow, 10), rows: 500), values: backend.tensor(numbers(narrow, 11), rows: 500),
        dQueries: gradients[0], dKeys: gradients[1], dValues: gradients[2], spans: [span], shape: shape)
      return gradients.flatMap(backend.read)
    }
    #expect(results[0] == results[1] && results[1] == results[2])
    let areFinite = results[0].allSatisfy { $0.isFinite }
    #expect(areFinite)
  }

  @Test("a score that is not finite gives a loss that is not finite", arguments: [Float.nan, .infinity])
  func brokenScores(_ value: Float) {
    #expect(!backend.crossEntropy(backend.tensor([0, value, 1], rows: 1), targets: [0])[0].isFinite)
  }

  @Test("dropout leaves out its share, scales the rest, and depends on keys alone")
  func dropout() {
    func drop(_ keys: [UInt64]) -> [Float] {
      let x = backend.tensor([Float](repeating: 1, count: keys.count * 10_000), rows: keys.count)
      backend.dropout(x, rate: 0.25, rowKeys: keys, salt: 3, into: x)
      return backend.read(x)
    }
    let both = drop([5, 6])
    #expect(Set(both) == [0, Float(4) / 3])
    #expect(abs(Double(both.filter { $0 == 0 }.count) / 20_000 - 0.25) < 0.01)
    #expect(both[..<10_000] != both[10_000...])
    #expect(drop([6])[...] == both[10_000...])
  }

  @Test("dots of columns are added to what is there")
  func columnDots() {
    let (x, y) = (backend.tensor([1, 2, 3, 4, 5, 6], rows: 2), backend.tensor([1, 0, 2, -1, 3, 0.5], rows: 2))
    let sums = backend.tensor([10, 0, 0], rows: 1)
    backend.addColumnDots(x, y, to: sums)
    #expect(backend.read(sums) == [10 + 1 - 4, 15, 6 + 3])
  }

  @Test("exact sums don't depend on the order, and refuse what they can't hold")
  func exactSums() {
    let values: [Float] = [1e8, -3.25, 1e-9, -1e8, 2.5e-12, 7, -1e-9, 0]
    func sum(_ order: [Float]) -> (Int64, Int64) {
      var (high, low): (Int64, Int64) = (0, 0)
      for value in order {
        let refused = headimpact_add_exactly([value], 0x1p30, &high, &low, 1)
        #expect(refused == 0)
      }
      return (high, low)
    }
    let forward = sum(values)
    #expect(forward == sum(values.reversed()))
    let total = Double(forward.0) * 0x1p-32 + Double(forward.1) * 0x1p-72
    #expect(abs(total - (3.75 + 2.5e-12)) < 1e-15)
    var (high, low): (Int64, Int64) = (0, 0)
    for value in [Float.nan, .infinity, 0x1p30, -0x1p30] {
      let refused = headimpact_add_exactly([value], 0x1p30, &high, &low, 1)
      #expect(refused == 1)
    }
    for (value, limit) in [(Float(0x1p20), Float(0x1p20)), (1, 0x1p31), (1, .infinity)] {
      let refused = headimpact_add_exactly([value], limit, &high, &low, 1)
      #expect(refused == 1)
    }
    #expect(high == 0 && low == 0)
    // As many as the limit is for, of one sign and as large as can be.
    for sign in [Float(1), -1] {
      (high, low) = (0, 0)
      for _ in 0..<1024 {
        let refused = headimpact_add_exactly([sign * Float(0x1p20).nextDown], 0x1p20, &high, &low, 1)
        #expect(refused == 0)
      }
      #expect(Double(high) * 0x1p-32 + Double(low) * 0x1p-72 == Double(sign) * 1024 * Double(Float(0x1p20).nextDown))
    }
  }
}
