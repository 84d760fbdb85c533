import Foundation
import Kernels

/// What a case finds wrong.
struct CaseFailure: Error, CustomStringConvertible {
  let description: String
}

/// Every kernel, on rows enough for all threads of a team to take part.
struct KernelCases {
  struct Kind {
    let name: String
    let precision: Precision
    let instructions: ProductInstructions

    /// Those that this processor has.
    static var all: [Kind] {
      Precision.allCases.flatMap { precision in
        ProductInstructions.available(for: precision).map {
          Kind(name: "\(precision.rawValue) \($0.rawValue)", precision: precision, instructions: $0)
        }
      }
    }
  }

  let backend: CPUBackend
  // Rows times columns is the work of the cheapest kernels: enough for four threads.
  private let rows = 520
  private let width = 1200
  private let outputs = 1100

  init(_ kind: Kind, threads: Int) throws {
    backend = try CPUBackend(
      precision: kind.precision, team: ThreadTeam(count: threads), instructions: kind.instructions)
  }

  typealias Case = (name: String, run: () throws -> UInt64)

  var all: [Case] { rowKernels + backwardKernels + products + attentions + lowRank }

  /// A case that computes [rows, columns] from nothing, or from what is in it.
  private func item(
    _ name: String, _ rows: Int, _ columns: Int, from start: [Float]? = nil, _ kernel: @escaping (Tensor) throws -> Void
  ) -> Case {
    (name, { try output(rows, columns, from: start, on: backend, kernel) })
  }

  private var rowKernels: [Case] {
    let (rows, width, backend) = (rows, width, backend)
    let start = numbers(1, rows * width)
    let x = backend.tensor(start, rows: rows)
    let weight = Tensor(numbers(2, width))
    let rms = Norm(.rms, weight: weight, eps: 1e-5)
    let layer = Norm(.layer, weight: weight, bias: Tensor(numbers(3, width)), eps: 1e-5)
    let angles = numbers(4, rows * 50)
    let rotary = RotaryAngles(cosines: angles.map { cos($0) }, sines: angles.map { sin($0) }, half: 50)
    return [
      item("rmsNorm", rows, width) { backend.normalize(x, rms, groups: 1, into: $0) },
      item("layerNorm", rows, width) { backend.normalize(x, layer, groups: 1, into: $0) },
      item("layerNorm in place", rows, width, from: start) { backend.normalize($0, layer, groups: 1, into: $0) },
      item("quickGELU", rows, width, from: start) { backend.activate(.quickGELU, $0) },
      item("gelu", rows, width, from: start) { backend.activate(.gelu, $0) },
      item("tanhGELU", rows, width, from: start) { backend.activate(.tanhGELU, $0) },
      item("siluMultiply", rows, width, from: start) { backend.activate(.silu, gate: $0, up: x, into: $0) },
      item("rotate", rows, width, from: start) { backend.rotate($0, by: rotary, firstRow: 0, heads: 12) },
      item("rotateBackward", rows, width, from: start) { backend.rotateBackward($0, by: rotary, heads: 12) },
      item("softcap", rows, width, from: start) { backend.softcap($0, 0.5) },
      item("dropout", rows, width) {
        backend.dropout(x, rate: 0.3, rowKeys: (0..<UInt64(rows)).map { $0 &* 77 }, salt: 5, into: $0)
      },
    ]
  }

  private var backwardKernels: [Case] {
    let (rows, width, backend) = (rows, width, backend)
    let (start, other) = (numbers(5, rows * width), numbers(6, rows * width))
    let (x, dy) = (backend.tensor(start, rows: rows), backend.tensor(other, rows: rows))
    let norm = Norm(.rms, weight: Tensor(numbers(7, width)), eps: 1e-5)
    return [
      item("rmsNormBackward", rows, width, from: other) {
        backend.normalizeBackward(dy, x: x, norm, groups: 1, into: $0)
      },
      item("add", rows, width, from: start) { backend.add(dy, to: $0) },
      item("addColumnDots", 1, width) {
        backend.zero($0)
        backend.addColumnDots(x, dy, to: $0)
      },
      item("siluMultiplyBackward", 2 * rows, width, from: start + other) {
        backend.activateBackward(.silu, x, gate: $0.rows(0..<rows), up: $0.rows(rows..<2 * rows))
      },
      (
        "crossEntropy",
        {
          var losses: [Double] = []
          let gradient = try output(rows, width, from: start, on: backend) {
            losses = backend.crossEntropy($0, targets: (0..<Int32(rows)).map { $0 * 2 }[...])
          }
          return losses.reduce(gradient) { hash($0, $1.bitPattern) }
        }
      ),
    ]
  }

  private var products: [Case] {
    let (rows, width, outputs, backend) = (rows, width, outputs, backend)
    let start = numbers(9, rows * outputs)
    let (x, dy) = (backend.tensor(numbers(8, rows * width), rows: rows), backend.tensor(start, rows: rows))
    let bias = Tensor(numbers(10, outputs))
    return ElementType.allCases.flatMap { type in
      let layer = Linear(weight: weights(11, rows: outputs, columns: width, type), bias: bias)
      func apply(_ output: Tensor, accumulate: Bool) throws {
        try backend.withOperand(x) { try backend.apply(layer, to: $0, into: output, accumulate: accumulate) }
      }
      return [
        item("apply \(type)", rows, outputs) { try apply($0, accumulate: false) },
        item("apply \(type), accumulating", rows, outputs, from: start) { try apply($0, accumulate: true) },
        item("apply \(type), gated", rows, outputs) { y in
          try backend.withOperand(x) { try backend.apply(.silu, gate: layer, up: layer, to: $0, into: y) }
        },
        item("applyBackward \(type)", rows, width) { dx in
          try backend.withOperand(dy) { try backend.applyBackward(layer, to: $0, into: dx, accumulate: false) }
        },
        item("operand \(type)", rows, width) { copy in backend.withOperand(x) { backend.copy($0.floats, to: copy) } },
      ]
    }
  }

  private var attentions: [Case] {
    let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDim: 64)
    let (rows, wide, narrow, backend) = (300, shape.queryWidth, shape.keyValueWidth, backend)
    let q = backend.tensor(numbers(12, rows * wide), rows: rows)
    let (k, v) = (
      backend.tensor(numbers(13, rows * narrow), rows: rows), backend.tensor(numbers(14, rows * narrow), rows: rows)
    )
    let dy = backend.tensor(numbers(15, rows * wide), rows: rows)
    let shared = [
      AttentionSpan(queries: 0..<100, sharedKeys: 100),
      AttentionSpan(queries: 100..<300, sharedKeys: 100, ownKeys: 100..<300, isObserved: true),
    ]
    let windows = [
      AttentionSpan(queries: 0..<200, sharedKeys: 0, ownKeys: 0..<200, isCausal: false),
      AttentionSpan(queries: 200..<300, sharedKeys: 0, ownKeys: 0..<300, window: 64),
    ]
    let each = (0..<rows).map { AttentionSums.Row(query: $0, row: $0 * 4, divisor: 1) }
    func gradients(_ output: Tensor, _ spans: [AttentionSpan]) throws {
      let all = output.reshaped(rows: rows * (wide + 2 * narrow), columns: 1)
      func part(_ first: Int, _ columns: Int) -> Tensor {
        all.rows(rows * first..<rows * (first + columns)).reshaped(rows: rows, columns: columns)
      }
      try backend.attendBackward(
        dy, queries: q, keys: k, values: v, dQueries: part(0, wide), dKeys: part(wide, narrow),
        dValues: part(wide + narrow, narrow), spans: spans, shape: shape)
    }
    return [
      item("attend", rows, wide) {
        try backend.attend(queries: q, keys: k, values: v, into: $0, spans: shared, shape: shape, adding: nil)
      },
      item("attend in windows", rows, wide) {
        try backend.attend(queries: q, keys: k, values: v, into: $0, spans: windows, shape: shape, adding: nil)
      },
      item("attend's weights", 4 * rows, rows, from: [Float](repeating: 0, count: 4 * rows * rows)) {
        try backend.attend(
          queries: q, keys: k, values: nil, into: nil, spans: shared, shape: shape,
          adding: AttentionSums(sums: $0, keys: [0..<rows], normalises: false, rows: each))
      },
      item("attendBackward", rows, wide + 2 * narrow) {
        try gradients($0, [AttentionSpan(queries: 0..<rows, sharedKeys: 0, ownKeys: 0..<rows)])
      },
      item("attendBackward in windows", rows, wide + 2 * narrow) { try gradients($0, windows) },
    ]
  }

  private var lowRank: [Case] {
    let (rows, inputs, outputs, rank, backend) = (rows, width, outputs, 16, backend)
    let factors = LowRankFactors(
      a: backend.tensor(numbers(16, rank * inputs), rows: rank),
      b: backend.tensor(numbers(17, outputs * rank), rows: outputs), scaling: 0.5)
    let start = numbers(19, rows * outputs)
    let (x, dy) = (backend.tensor(numbers(18, rows * inputs), rows: rows), backend.tensor(start, rows: rows))
    let (a, b) = (rank * inputs, outputs * rank)
    let count = a + b + rows * inputs
    return [
      item("applyLowRank", rows, outputs, from: start) { try backend.applyLowRank(factors, to: x, into: $0) },
      item("lowRankBackward", count, 1, from: [Float](repeating: 0, count: count)) {
        try backend.lowRankBackward(
          factors, x: x, dy: dy, dA: $0.rows(0..<a).reshaped(rows: rank, columns: inputs),
          dB: $0.rows(a..<a + b).reshaped(rows: outputs, columns: rank),
          dx: $0.rows(a + b..<count).reshaped(rows: rows, columns: inputs))
      },
    ]
  }
}

/// Runs a kernel on an output that holds `start`, or what no kernel writes, between two guards, and sums up what it wrote.
///
/// - Throws: `CaseFailure` where something is left as it was, or written beside the output.
func output(
  _ rows: Int, _ columns: Int, from start: [Float]? = nil, on backend: any Backend, _ kernel: (Tensor) throws -> Void
) throws -> UInt64 {
  let mark: UInt32 = 0x7fab_cdef
  let (guardCount, count) = (1024, rows * columns)
  let guarded = guardCount..<guardCount + count
  var all = [Float](repeating: Float(bitPattern: mark), count: count + 2 * guardCount)
  if let start { all.replaceSubrange(guarded, with: start) }
  let tensor = backend.tensor(all, rows: all.count)
  try kernel(tensor.rows(guarded).reshaped(rows: rows, columns: columns))
  all = backend.read(tensor)
  guard all.prefix(guardCount).allSatisfy({ $0.bitPattern == mark }),
    all.suffix(guardCount).allSatisfy({ $0.bitPattern == mark })
  else { throw CaseFailure(description: "something was written beside the output") }
  let result = all[guarded]
  if let left = result.firstIndex(where: { $0.bitPattern == mark }) {
    throw CaseFailure(description: "element \(left - guardCount) of \(count) was not computed")
  }
  return result.reduce(0xcbf2_9ce4_8422_2325) { hash($0, UInt64($1.bitPattern)) }
}

func hash(_ sum: UInt64, _ value: UInt64) -> UInt64 { (sum ^ value) &* 0x100_0000_01b3 }

/// Numbers in [-1, 1), the same in every run.
func numbers(_ seed: UInt64, _ count: Int) -> [Float] {
  var state = seed
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
  }
}

/// `@unchecked Sendable` invariant: written before anyone else has it, and never after.
private final class Memory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  init(bytes: Int) { base = .allocate(byteCount: bytes, alignment: 64) }
  deinit { base.deallocate() }
}

/// Random weights of an element type.
func weights(_ seed: UInt64, rows: Int, columns: Int, _ type: ElementType) -> Tensor {
  let memory = Memory(bytes: rows * columns * type.byteCount)
  for (index, value) in numbers(seed, rows * columns).enumerated() {
    switch type {
    case .f32: memory.base.storeBytes(of: value, toByteOffset: 4 * index, as: Float.self)
    case .bf16:
      memory.base.storeBytes(of: UInt16(value.bitPattern >> 16), toByteOffset: 2 * index, as: UInt16.self)
    // Any bits but those of infinity and NaN.
    case .f16:
      memory.base.storeBytes(
        of: UInt16(value.bitPattern >> 10 & 0xbfff), toByteOffset: 2 * index, as: UInt16.self)
    }
  }
  return Tensor(owner: memory, base: memory.base, elementType: type, rows: rows, columns: columns)
}
