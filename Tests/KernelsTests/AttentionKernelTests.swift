import CVectorMath
import Foundation
import Testing

/// The kernels of attention against their definition, to the bit: chains of fused multiply-adds.
@Suite("Attention kernels")
struct AttentionKernelTests {
  /// Some rows of one head, over keys in two pieces of memory of exactly their size.
  struct Case: Sendable, CustomStringConvertible {
    let rows: Int
    let positions: Int
    let shared: Int
    let headDim: Int
    /// Behind each key and value.
    let gap: Int
    let seed: UInt64

    var description: String { "\(rows) rows, \(shared) + \(positions - shared) keys, D \(headDim), gap \(gap)" }
  }

  static let cases: [Case] = [
    Case(rows: 1, positions: 1, shared: 0, headDim: 1, gap: 0, seed: 1),
    Case(rows: 1, positions: 1, shared: 1, headDim: 3, gap: 1, seed: 2),
    Case(rows: 1, positions: 77, shared: 40, headDim: 128, gap: 128, seed: 3),
    Case(rows: 2, positions: 33, shared: 33, headDim: 10, gap: 0, seed: 4),
    Case(rows: 6, positions: 600, shared: 13, headDim: 16, gap: 0, seed: 5),
    Case(rows: 12, positions: 31, shared: 5, headDim: 72, gap: 3, seed: 6),
    Case(rows: 13, positions: 270, shared: 0, headDim: 40, gap: 0, seed: 7),
    Case(rows: 31, positions: 40, shared: 32, headDim: 15, gap: 2, seed: 8),
    Case(rows: 40, positions: 65, shared: 64, headDim: 17, gap: 0, seed: 9),
    Case(rows: 128, positions: 35, shared: 10, headDim: 7, gap: 0, seed: 10),
    Case(rows: 7, positions: 20, shared: 7, headDim: 256, gap: 1, seed: 11),
  ]

  @Test("every version computes what is defined, packed or not", arguments: cases)
  func definition(_ example: Case) {
    let problem = Problem(example)
    let (expectedWeights, expectedOutputs) = problem.expected()
    for version in 0..<headimpact_attention_versions() {
      for isPacked in [false, true] {
        let (weights, outputs) = problem.run(version, isPacked: isPacked)
        if fuses(version) {
          #expect(weights == expectedWeights, "version \(version)")
          #expect(outputs == expectedOutputs, "version \(version)")
        } else {
          #expect(largestDifference(weights, expectedWeights.map(Double.init)) < 1e-5)
          #expect(largestDifference(outputs, expectedOutputs.map(Double.init)) < 1e-5)
        }
      }
    }
  }

  @Test("softmax has the same bits on every processor that fuses", arguments: [1, 2, 15, 16, 17, 33, 391, 1536])
  func softmax(_ count: Int) {
    let row = numbers(count, 20).map { $0 * 40 }
    let results = (0..<headimpact_attention_versions()).filter(fuses).map { version in
      var result = row
      headimpact_attention_softmax(version, &result, count, 0.25)
      return result
    }
    for result in results { #expect(result == results[0]) }
  }

  @Test("softmax doesn't depend on where a row lies")
  func softmaxElsewhere() {
    let row = numbers(103, 21).map { $0 * 9 }
    var here = row
    headimpact_softmax(&here, row.count, 1)
    for offset in 1..<16 {
      var there = [Float](repeating: 7, count: offset) + row + [7, 7]
      there.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.map { headimpact_softmax($0 + offset, row.count, 1) }
      }
      #expect(there == [Float](repeating: 7, count: offset) + here + [7, 7])
    }
  }

  /// Whether a version rounds once a multiply-add.
  private func fuses(_ version: UInt32) -> Bool {
    #if arch(x86_64)
      headimpact_attention_name(version).map { String(cString: $0) } != "plain"
    #else
      true
    #endif
  }
}

/// The numbers of a case, and what the kernels and the definition make of them.
private final class Problem {
  private let example: AttentionKernelTests.Case
  private let queries: [Float]
  private let keys: [UnsafeMutableBufferPointer<Float>]
  private let values: [UnsafeMutableBufferPointer<Float>]
  /// What each row sees: causal, windows, all.
  private let seen: [Range<Int>]
  private let scale: Float = 0.3

  init(_ example: AttentionKernelTests.Case) {
    self.example = example
    queries = numbers(example.rows * example.headDim, example.seed).map { 3 * $0 }
    let pieces = [example.shared, example.positions - example.shared]
    func memory(_ seed: UInt64) -> [UnsafeMutableBufferPointer<Float>] {
      pieces.enumerated().map { index, rows in
        let count = rows == 0 ? 0 : (rows - 1) * (example.headDim + example.gap) + example.headDim
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        _ = buffer.initialize(from: numbers(count, seed + UInt64(index)))
        return buffer
      }
    }
    keys = memory(example.seed + 100)
    values = memory(example.seed + 200)
    seen = (0..<example.rows).map { row in
      let end = max(1, example.positions - (example.rows - 1 - row) % example.positions)
      return row % 3 == 2 ? min(row * 5 % example.positions, end - 1)..<end : 0..<end
    }
  }

  deinit { (keys + values).forEach { $0.deallocate() } }

  /// - Returns: the weights of the positions that the rows see, and the outputs.
  func run(_ version: UInt32, isPacked: Bool) -> (weights: [Float], outputs: [Float]) {
    let (depth, positions) = (example.headDim, example.positions)
    let tile = Int(HEADIMPACT_ATTENTION_TILE)
    let distance = (positions + tile - 1) / tile * tile
    func source(_ pieces: [UnsafeMutableBufferPointer<Float>]) -> headimpact_attention_source {
      headimpact_attention_source(
        shared: pieces[0].baseAddress, shared_count: example.shared, own: pieces[1].baseAddress,
        stride: depth + example.gap)
    }
    let sizes = [
      headimpact_attention_scratch_size(version, depth), headimpact_attention_keys_size(version, positions, depth),
      headimpact_attention_values_size(version, positions, depth), example.rows * distance, example.rows * depth,
    ]
    let scratch = sizes.map { UnsafeMutablePointer<Float>.allocate(capacity: $0) }
    defer { scratch.forEach { $0.deallocate() } }
    scratch[4].initialize(repeating: 0, count: example.rows * depth)
    var attention = headimpact_attention(
      version: version, keys: source(keys), values: source(values), positions: positions, depth: depth,
      packed_keys: nil, packed_values: nil, scratch: scratch[0])
    if isPacked {
      headimpact_attention_pack_keys(&attention, scratch[1])
      headimpact_attention_pack_values(&attention, scratch[2])
      (attention.packed_keys, attention.packed_values) = (UnsafePointer(scratch[1]), UnsafePointer(scratch[2]))
    }
    var weights: [Float] = []
    queries.withUnsafeBufferPointer { queries in
      let rows = seen.enumerated().map { row, seen in
        headimpact_attention_row(
          query: queries.baseAddress.map { $0 + row * depth }, weights: scratch[3] + row * distance,
          output: scratch[4] + row * depth, first: seen.lowerBound, end: seen.upperBound)
      }
      headimpact_attention_scores(&attention, rows, rows.count)
      for (row, seen) in seen.enumerated() {
        let line = scratch[3] + row * distance + seen.lowerBound
        headimpact_attention_softmax(version, line, seen.count, scale)
        weights += UnsafeBufferPointer(start: line, count: seen.count)
      }
      headimpact_attention_add_values(&attention, rows, rows.count)
    }
    return (weights, Array(UnsafeBufferPointer(start: scratch[4], count: example.rows * depth)))
  }

  func expected() -> (weights: [Float], outputs: [Float]) {
    let depth = example.headDim
    func element(_ pieces: [UnsafeMutableBufferPointer<Float>], _ position: Int, _ d: Int) -> Float {
      let (piece, row) = position < example.shared ? (0, position) : (1, position - example.shared)
      return pieces[piece][row * (depth + example.gap) + d]
    }
    var (weights, outputs): ([Float], [Float]) = ([], [])
    for (row, seen) in seen.enumerated() {
      var line = seen.map { position in
        (0..<depth).reduce(Float(0)) { $0.addingProduct(queries[row * depth + $1], element(keys, position, $1)) }
      }
      headimpact_softmax(&line, line.count, scale)
      weights += line
      for d in 0..<depth {
        outputs.append(zip(line, seen).reduce(Float(0)) { $0.addingProduct($1.0, element(values, $1.1, d)) })
      }
    }
    return (weights, outputs)
  }
}
