import CVectorMath
import Foundation
import Synchronization
import Kernels
import Testing

@Suite struct RowKernelTests {
  static let lengths = [1, 2, 15, 16, 17, 391, 1536]
  let context: ComputeContext

  init() throws { context = try ComputeContext(precision: .f32, team: ThreadTeam(count: 2)) }

  @Test("softmax equals the plain one, also far from zero", arguments: lengths)
  func softmax(_ n: Int) {
    var numbers = Numbers(seed: 1)
    for spread in [Float(0.1), 10, 300] {
      var row = numbers.floats(n).map { $0 * spread + 1000 }
      let peak = row.map(Double.init).max() ?? 0
      let weights = row.map { exp(0.25 * (Double($0) - peak)) }
      let total = weights.reduce(0, +)
      headimpact_softmax(&row, n, 0.25)
      #expect(largestDifference(row, weights.map { $0 / total }) < 3e-7)
    }
  }

  @Test(
    "a score that is no number makes its row none, wherever it stands and whatever its payload",
    arguments: [Float(bitPattern: 0x7fc0_0001), Float(bitPattern: 0xffff_ffff), .nan, .infinity], lengths)
  func softmaxOfNoNumber(_ value: Float, _ n: Int) {
    for place in Set([0, n / 2, n - 1]) {
      var row = [Float](repeating: 1, count: n)
      row[place] = value
      headimpact_softmax(&row, n, 1)
      #expect(row.allSatisfy { $0.isNaN }, "at \(place) of \(n)")
    }
  }

  @Test("RMS norm equals the plain one", arguments: lengths)
  func rmsNorm(_ n: Int) {
    var numbers = Numbers(seed: 2)
    let x = numbers.floats(3 * n)
    let weight = numbers.floats(n)
    var out = [Float](repeating: 0, count: 3 * n)
    context.rmsNorm(x, weight: weight, eps: 1e-6, into: &out, rows: 3)
    let expected = (0..<3 * n).map { i -> Double in
      let row = x[i / n * n..<(i / n + 1) * n].map(Double.init)
      let square = row.reduce(0) { $0 + $1 * $1 } / Double(n)
      return Double(weight[i % n]) * Double(x[i]) / (square + 1e-6).squareRoot()
    }
    #expect(largestDifference(out, expected) < 2e-6)
  }

  @Test("layer norm equals the plain one", arguments: lengths)
  func layerNorm(_ n: Int) {
    var numbers = Numbers(seed: 3)
    let x = numbers.floats(3 * n).map { $0 + 5 }
    let (weight, bias) = (numbers.floats(n), numbers.floats(n))
    var out = [Float](repeating: 0, count: 3 * n)
    context.layerNorm(x, weight: weight, bias: bias, eps: 1e-6, into: &out, rows: 3)
    let expected = (0..<3 * n).map { i -> Double in
      let row = x[i / n * n..<(i / n + 1) * n].map(Double.init)
      let mean = row.reduce(0, +) / Double(n)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
      return (Double(x[i]) - mean) / (variance + 1e-6).squareRoot() * Double(weight[i % n]) + Double(bias[i % n])
    }
    #expect(largestDifference(out, expected) < 2e-5)
  }

  @Test("activations equal the plain ones from -90 to 90")
  func activations() {
    let x = (0..<1801).map { Float($0 - 900) / 10 }
    func relative(_ a: [Float], _ f: (Double) -> Double) -> Double {
      zip(a, x).map { abs(Double($0) - f(Double($1))) / max(1, abs(Double($1))) }.max() ?? 1
    }
    var quick = x
    context.activate(.quickGELU, &quick, rows: 1, columns: x.count)
    #expect(relative(quick) { $0 / (1 + exp(-1.702 * $0)) } < 3e-7)
    var gelu = x
    context.activate(.gelu, &gelu, rows: 1, columns: x.count)
    #expect(relative(gelu) { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) } < 3e-7)
    var gate = x
    let up = [Float](repeating: 2, count: x.count)
    context.siluMultiply(gate, up, into: &gate, rows: 1, columns: x.count)
    #expect(relative(gate) { 2 * $0 / (1 + exp(-$0)) } < 6e-7)
  }

  @Test("rotary embedding turns each pair by its angle")
  func rotary() {
    let angles: [Float] = [0, 0.5, 1, 2, 3, 4]
    let table = RotaryAngles(cosines: angles.map { cos($0) }, sines: angles.map { sin($0) }, half: 3)
    var numbers = Numbers(seed: 4)
    let x = numbers.floats(2 * 2 * 6)
    var turned = x
    context.rotate(&turned, by: table, rows: 2, heads: 2)
    for row in 0..<2 {
      for head in 0..<2 {
        for i in 0..<3 {
          let at = (row * 2 + head) * 6 + i
          let angle = angles[row * 3 + i]
          #expect(abs(turned[at] - (x[at] * cos(angle) - x[at + 3] * sin(angle))) < 1e-6)
          #expect(abs(turned[at + 3] - (x[at + 3] * cos(angle) + x[at] * sin(angle))) < 1e-6)
        }
      }
    }
  }

  @Test("bf16 rounds to nearest with ties to even, and every bf16 and f16 widens exactly")
  func conversions() {
    let x: [Float] = [1, 1.00390625, 1.01171875, -3.1415927, .infinity, -.infinity, Float(bitPattern: 70_000), 3.4e38]
    var narrow = [UInt16](repeating: 0, count: x.count)
    headimpact_narrow_bf16(x, &narrow, x.count)
    #expect(narrow == x.map(Plain.bfloat16))
    headimpact_narrow_bf16([Float.nan], &narrow, 1)
    #expect(Plain.float(narrow[0]).isNaN)
    var rounded = [Float](repeating: 0, count: x.count)
    headimpact_round_bf16(x, &rounded, x.count)
    #expect(rounded == x.map { Plain.float(Plain.bfloat16($0)) })
    headimpact_round_bf16([Float(bitPattern: 0x7f80_0001)], &rounded, 1)
    #expect(rounded[0].isNaN)

    let all = (0...UInt16.max).map { $0 }
    var wide = [Float](repeating: 0, count: all.count)
    headimpact_widen_bf16(all, &wide, all.count)
    #expect(zip(all, wide).allSatisfy { $1.bitPattern == UInt32($0) << 16 })
    headimpact_widen_f16(all, &wide, all.count)
    let isExact = zip(all, wide).allSatisfy { bits, value in
      let fraction = Double(bits & 0x3ff) / 1024
      let exponent = Int(bits >> 10 & 31)
      let sign = bits >> 15 == 1 ? -1.0 : 1.0
      guard exponent < 31 else { return fraction == 0 ? value == Float(sign) * .infinity : value.isNaN }
      return Double(value) == sign
        * (exponent == 0 ? fraction * 0x1p-14 : (1 + fraction) * pow(2, Double(exponent - 15)))
    }
    #expect(isExact)
  }

  @Test("a parallel loop does each task once, whatever the threads", arguments: [1, 2, 3, 8])
  func team(_ threads: Int) {
    let team = ThreadTeam(count: threads)
    for tasks in [0, 1, 5, 64] {
      var counts = [Int](repeating: 0, count: max(tasks, 1))
      counts.withUnsafeMutableBufferPointer { counts in
        guard let base = counts.baseAddress else { return }
        team.forEach(tasks, work: .max / 2) { task, _ in base[task] += 1 }
        team.forEachRange(of: tasks, work: .max / 2) { range in for task in range { base[task] += 1 } }
      }
      #expect(counts.prefix(tasks).allSatisfy { $0 == 2 })
    }
  }

  @Test("loops within a loop, and beside it, do their work too")
  func nestedLoops() async {
    let team = ThreadTeam(count: 3)
    await withTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          let count = Atomic(0)
          team.forEach(50, work: .max / 2) { _, _ in
            team.forEach(10, work: .max / 2) { _, _ in count.add(1, ordering: .relaxed) }
          }
          return count.load(ordering: .relaxed)
        }
      }
      for await count in group { #expect(count == 500) }
    }
  }

  @Test("an error of a task ends the loop, and the next one runs")
  func failingTask() throws {
    struct Failure: Error {}
    let team = ThreadTeam(count: 2)
    // Atomics: ThreadSanitizer doesn't see what Swift's Mutex orders.
    let last = Atomic(0)
    #expect(throws: Failure.self) {
      try team.forEach(1_000_000, work: .max / 2) { task, _ throws(Failure) in
        last.max(task, ordering: .relaxed)
        if task == 10 { throw Failure() }
      }
    }
    #expect(last.load(ordering: .relaxed) < 999_999)
    let count = Atomic(0)
    team.forEach(100, work: .max / 2) { _, _ in count.add(1, ordering: .relaxed) }
    #expect(count.load(ordering: .relaxed) == 100)
  }

  @Test("an operand is lent, and leaves what it is made of alone", arguments: [true, false], Precision.allCases)
  func operand(_ useInstructions: Bool, _ precision: Precision) throws {
    let context = try ComputeContext(
      precision: precision, team: ThreadTeam(count: 2),
      useBFloat16Instructions: useInstructions && ComputeContext.hasBFloat16Instructions)
    var numbers = Numbers(seed: 11)
    let (x, other) = (numbers.floats(300 * 1000), numbers.floats(300 * 1000))
    let before = x
    let rounded = x.map { precision == .bf16 ? Plain.float(Plain.bfloat16($0)) : $0 }
    let owned = OwnedWeights(numbers.floats(1000), rows: 1, columns: 1000, as: .f32)
    let layer = Linear(weight: owned.weight)
    var (alone, nested) = ([Float](repeating: 0, count: 300), [Float](repeating: 0, count: 300))
    try context.apply(layer, to: x, rows: 300, into: &alone)
    try context.withOperand(x, rows: 300, columns: 1000) { operand in
      // Another operand meanwhile has scratch of its own.
      context.withOperand(other, rows: 300, columns: 1000) { _ in }
      try context.apply(layer, to: operand, into: &nested)
      if !useInstructions || !ComputeContext.hasBFloat16Instructions {
        operand.withFloats { #expect(Array(UnsafeBufferPointer(start: $0, count: x.count)) == rounded) }
      }
    }
    #expect(alone == nested && x == before)
  }
}
