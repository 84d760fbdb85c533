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
    let usesInstructions: Bool

    /// Those that this processor has.
    static var all: [Kind] {
      [Kind(name: "f32", precision: .f32, usesInstructions: false)]
        + [Kind(name: "bf16", precision: .bf16, usesInstructions: false)]
        + (ComputeContext.hasBFloat16Instructions
          ? [Kind(name: "bf16 instructions", precision: .bf16, usesInstructions: true)] : [])
    }
  }

  let context: ComputeContext
  // Rows times columns is the work of the cheapest kernels: enough for four threads.
  private let rows = 520
  private let width = 1200
  private let outputs = 1100

  init(_ kind: Kind, threads: Int) throws {
    context = try ComputeContext(
      precision: kind.precision, team: ThreadTeam(count: threads), useBFloat16Instructions: kind.usesInstructions)
  }

  var all: [(name: String, run: () throws -> UInt64)] {
    rowKernels + backwardKernels + products + attentions + lowRank
  }

  private var rowKernels: [(String, () throws -> UInt64)] {
    let (rows, width) = (rows, width)
    let x = numbers(1, rows * width)
    let (weight, bias) = (numbers(2, width), numbers(3, width))
    let angles = numbers(4, rows * 50)
    let rotary = RotaryAngles(cosines: angles.map { cos($0) }, sines: angles.map { sin($0) }, half: 50)
    return [
      (
        "rmsNorm",
        { try output(rows * width) { context.rmsNorm(x, weight: weight, eps: 1e-5, into: $0, rows: rows) } }
      ),
      (
        "layerNorm",
        {
          try output(rows * width) {
            context.layerNorm(x, weight: weight, bias: bias, eps: 1e-5, into: $0, rows: rows)
          }
        }
      ),
      (
        "layerNorm in place",
        {
          try output(rows * width, from: x) {
            context.layerNorm($0, weight: weight, bias: bias, eps: 1e-5, into: $0, rows: rows)
          }
        }
      ),
      (
        "quickGELU",
        { try output(rows * width, from: x) { context.activate(.quickGELU, $0, rows: rows, columns: width) } }
      ),
      ("gelu", { try output(rows * width, from: x) { context.activate(.gelu, $0, rows: rows, columns: width) } }),
      (
        "siluMultiply",
        { try output(rows * width, from: x) { context.siluMultiply($0, x, into: $0, rows: rows, columns: width) } }
      ),
      ("rotate", { try output(rows * width, from: x) { context.rotate($0, by: rotary, rows: rows, heads: 12) } }),
      (
        "rotateBackward",
        { try output(rows * width, from: x) { context.rotateBackward($0, by: rotary, rows: rows, heads: 12) } }
      ),
      (
        "dropout",
        {
          try output(rows * width) {
            context.dropout(
              x, rate: 0.3, rowKeys: (0..<UInt64(rows)).map { $0 &* 77 }, salt: 5, into: $0, columns: width)
          }
        }
      ),
    ]
  }

  private var backwardKernels: [(String, () throws -> UInt64)] {
    let (rows, width) = (rows, width)
    let (x, dy, weight) = (numbers(5, rows * width), numbers(6, rows * width), numbers(7, width))
    return [
      (
        "rmsNormBackward",
        {
          try output(rows * width, from: dy) {
            context.rmsNormBackward(dy, x: x, weight: weight, eps: 1e-5, into: $0, rows: rows)
          }
        }
      ),
      ("add", { try output(rows * width, from: x) { context.add(dy, to: $0, count: rows * width) } }),
      (
        "siluMultiplyBackward",
        {
          try output(2 * rows * width, from: x + dy) {
            context.siluMultiplyBackward(x, gate: $0, up: $0 + rows * width, rows: rows, columns: width)
          }
        }
      ),
      (
        "crossEntropy",
        {
          var losses: [Double] = []
          let gradient = try output(rows * width, from: x) {
            losses = context.crossEntropy($0, vocabulary: width, targets: (0..<Int32(rows)).map { $0 * 2 }[...])
          }
          return losses.reduce(gradient) { hash($0, $1.bitPattern) }
        }
      ),
    ]
  }

  private var products: [(String, () throws -> UInt64)] {
    let (rows, width, outputs) = (rows, width, outputs)
    let (x, dy, bias) = (numbers(8, rows * width), numbers(9, rows * outputs), numbers(10, outputs))
    return ElementType.allCases.flatMap { type in
      let layer = Linear(weight: weights(11, rows: outputs, columns: width, type), bias: bias)
      return [
        ("apply \(type)", { try output(rows * outputs) { try context.apply(layer, to: x, rows: rows, into: $0) } }),
        (
          "apply \(type), accumulating",
          {
            try output(rows * outputs, from: dy) {
              try context.apply(layer, to: x, rows: rows, into: $0, accumulate: true)
            }
          }
        ),
        (
          "applyBackward \(type)",
          { try output(rows * width) { try context.applyBackward(layer, to: dy, rows: rows, into: $0) } }
        ),
        (
          "operand \(type)",
          {
            try output(rows * width) { out in
              context.withOperand(x, rows: rows, columns: width) {
                $0.withFloats { out.update(from: $0, count: rows * width) }
              }
            }
          }
        ),
      ]
    }
  }

  private var attentions: [(String, () throws -> UInt64)] {
    let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDim: 64)
    let (rows, wide, narrow) = (300, shape.queryWidth, shape.keyValueWidth)
    let (q, k, v) = (numbers(12, rows * wide), numbers(13, rows * narrow), numbers(14, rows * narrow))
    let dy = numbers(15, rows * wide)
    let shared = [
      AttentionSpan(queries: 0..<100, sharedKeys: 100),
      AttentionSpan(queries: 100..<300, sharedKeys: 100, ownKeys: 100..<300, isObserved: true),
    ]
    return [
      (
        "attend",
        {
          var scratch = AlignedBuffer<Float>()
          return try output(rows * wide) {
            try context.attend(queries: q, keys: k, values: v, into: $0, spans: shared, shape: shape, scratch: &scratch)
          }
        }
      ),
      (
        "attend's weights",
        {
          var scratch = AlignedBuffer<Float>()
          return try output(4 * rows * rows, from: [Float](repeating: 0, count: 4 * rows * rows)) { out in
            try context.attend(
              queries: q, keys: k, values: nil, into: nil, spans: shared, shape: shape, scratch: &scratch,
              tap: { _, head, row, weights in
                if let base = weights.baseAddress {
                  (out + (head * rows + row) * rows).update(from: base, count: weights.count)
                }
              })
          }
        }
      ),
      (
        "attendBackward",
        {
          var scratch = AlignedBuffer<Float>()
          return try output(rows * (wide + 2 * narrow)) {
            try context.attendBackward(
              dy, queries: q, keys: k, values: v, dQueries: $0, dKeys: $0 + rows * wide,
              dValues: $0 + rows * (wide + narrow), keyRows: rows,
              spans: [AttentionSpan(queries: 0..<rows, sharedKeys: 0, ownKeys: 0..<rows)], shape: shape,
              scratch: &scratch)
          }
        }
      ),
    ]
  }

  private var lowRank: [(String, () throws -> UInt64)] {
    let (rows, inputs, outputs, rank) = (rows, width, outputs, 16)
    let (a, b) = (numbers(16, rank * inputs), numbers(17, outputs * rank))
    let (x, dy) = (numbers(18, rows * inputs), numbers(19, rows * outputs))
    func withFactors(_ body: (LowRankFactors) throws -> Void) throws {
      try a.withUnsafeBufferPointer { a in
        try b.withUnsafeBufferPointer { b in
          guard let a = a.baseAddress, let b = b.baseAddress else { return }
          try body(LowRankFactors(a: a, b: b, rank: rank, inputs: inputs, outputs: outputs, scaling: 0.5))
        }
      }
    }
    return [
      (
        "applyLowRank",
        {
          var scratch = AlignedBuffer<Float>()
          return try output(rows * outputs, from: dy) { out in
            try withFactors { try context.applyLowRank($0, to: x, into: out, rows: rows, scratch: &scratch) }
          }
        }
      ),
      (
        "lowRankBackward",
        {
          var scratch = AlignedBuffer<Float>()
          let count = a.count + b.count + rows * inputs
          return try output(count, from: [Float](repeating: 0, count: count)) { out in
            try withFactors {
              try context.lowRankBackward(
                $0, x: x, dy: dy, dA: out, dB: out + a.count, dx: out + a.count + b.count, rows: rows,
                scratch: &scratch)
            }
          }
        }
      ),
    ]
  }
}

/// Runs a kernel on an output that holds `start`, or what no kernel writes, between two guards, and sums up what it wrote.
///
/// - Throws: `CaseFailure` where something is left as it was, or written beside the output.
func output(
  _ count: Int, from start: [Float]? = nil, _ kernel: (UnsafeMutablePointer<Float>) throws -> Void
) throws -> UInt64 {
  let mark: UInt32 = 0x7fab_cdef
  let guardCount = 1024
  var all = [Float](repeating: Float(bitPattern: mark), count: count + 2 * guardCount)
  if let start { all.replaceSubrange(guardCount..<guardCount + count, with: start) }
  try all.withUnsafeMutableBufferPointer {
    if let base = $0.baseAddress { try kernel(base + guardCount) }
  }
  guard all.prefix(guardCount).allSatisfy({ $0.bitPattern == mark }),
    all.suffix(guardCount).allSatisfy({ $0.bitPattern == mark })
  else { throw CaseFailure(description: "something was written beside the output") }
  let result = all[guardCount..<guardCount + count]
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
