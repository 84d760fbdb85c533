import CProductRates
import Foundation
import Kernels

/// One product: a shape, its rows, and how it is computed.
struct Case {
  enum Direction: String, Codable { case forward, backward }

  let shape: Shape
  let direction: Direction
  let precision: Precision
  let threads: Int
  let rows: Int

  var depth: Int { direction == .forward ? shape.inputs : shape.outputs }
  var columns: Int { direction == .forward ? shape.outputs : shape.inputs }
  var weights: Int { shape.inputs * shape.outputs }
  /// Multiplications and additions.
  var operations: Double { 2 * Double(rows) * Double(weights) }
}

/// The rates of one product, in operations a second.
struct Rates {
  let ours: Double
  /// nil where the library is missing or has no product of this kind.
  let oneDNN: Double?
  let openBLAS: Double?
  /// Of one row of the result, relative to its greatest value: ours beside a library's.
  let difference: Double?
}

/// Runs products on operands that are made once.
final class Measuring {
  private let pool: Pool
  private let libraries: Libraries
  /// Seconds that each product is repeated for, at least.
  private let seconds: Double
  private var backends: [String: CPUBackend] = [:]
  /// In float32, and the same numbers in bf16: oneDNN's products of bf16 needn't round them, ours do.
  private let activations: Memory
  private let rounded: Memory
  private let output: Memory
  private var firstRow: [Float] = []
  private var difference: Double?

  init(_ cases: [Case], pool: Pool, libraries: Libraries, seconds: Double) {
    self.pool = pool
    self.libraries = libraries
    self.seconds = seconds
    let inputs = cases.map { $0.rows * $0.depth }.max() ?? 0
    let outputs = cases.map { $0.rows * $0.columns }.max() ?? 0
    activations = Memory(byteCount: 4 * inputs)
    rounded = Memory(byteCount: 2 * inputs)
    output = Memory(byteCount: 4 * outputs)
    headimpact_bench_fill(rounded.bfloat16, activations.floats, inputs, 2)
    output.floats.update(repeating: 0, count: outputs)
  }

  func rates(of product: Case) throws -> Rates {
    firstRow = []
    difference = nil
    let ours = try rate(product, ourRun(product))
    let oneDNN = try oneDNNRate(product)
    let openBLAS = try openBLASRate(product)
    return Rates(ours: ours, oneDNN: oneDNN, openBLAS: openBLAS, difference: difference)
  }

  /// The best of several runs: of the same weights first, whose result is compared, then of others.
  private func rate(_ product: Case, _ run: (_ offset: Int) throws -> Void) throws -> Double {
    let clock = ContinuousClock()
    var (best, total, runs) = (Double.infinity, 0.0, 0)
    while runs < 2 || (total < seconds && runs < 1000) {
      let offset = runs == 0 ? 0 : pool.offset(of: product.weights)
      let elapsed = try clock.measure { try run(offset) } / .seconds(1)
      if runs == 0 { compareFirstRow(product.columns) }
      best = min(best, elapsed)
      total += elapsed
      runs += 1
    }
    return product.operations / best
  }

  /// The first product's row is kept, and those of the others are compared with it.
  private func compareFirstRow(_ columns: Int) {
    let row = (0..<columns).map { output.floats[$0] }
    guard !firstRow.isEmpty else {
      firstRow = row
      return
    }
    let scale = firstRow.reduce(Float(0)) { max($0, abs($1)) }
    let furthest = zip(firstRow, row).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
    difference = max(difference ?? 0, Double(furthest / scale))
  }

  private func backend(_ product: Case) throws -> CPUBackend {
    let key = "\(product.precision) \(product.threads)"
    if let made = backends[key] { return made }
    let made = try CPUBackend(precision: product.precision, team: ThreadTeam(count: product.threads))
    backends[key] = made
    return made
  }

  private func ourRun(_ product: Case) throws -> (_ offset: Int) throws -> Void {
    let backend = try backend(product)
    let x = Tensor(
      owner: activations, base: activations.base, elementType: .f32, rows: product.rows, columns: product.depth)
    let y = Tensor(owner: output, base: output.base, elementType: .f32, rows: product.rows, columns: product.columns)
    return { [pool] offset in
      let weight = Tensor(
        owner: pool.narrow, base: pool.narrow.base + 2 * offset, elementType: .bf16, rows: product.shape.outputs,
        columns: product.shape.inputs)
      let layer = Linear(weight: weight)
      try backend.withOperand(x) { operand in
        switch product.direction {
        case .forward: try backend.apply(layer, to: operand, into: y, accumulate: false)
        case .backward: try backend.applyBackward(layer, to: operand, into: y, accumulate: false)
        }
      }
    }
  }

  /// A library's threads spin for a while after a product; they must not disturb the next one.
  private func pause() { Thread.sleep(forTimeInterval: 0.04) }

  private func oneDNNRate(_ product: Case) throws -> Double? {
    guard libraries.oneDNN != nil else { return nil }
    let (threads, transposed) = (Int32(product.threads), Int32(product.direction == .forward ? 1 : 0))
    let (rows, columns, depth) = (Int64(product.rows), Int64(product.columns), Int64(product.depth))
    defer { pause() }
    guard product.precision == .bf16, ProductInstructions.available(for: .bf16).contains(.bfloat16) else {
      return try rate(product) { offset in
        let status = headimpact_onednn_f32(
          threads, transposed, rows, columns, depth, activations.floats, pool.wide.floats + offset, output.floats)
        guard status == 0 else { throw LibraryError(description: "oneDNN: dnnl_sgemm failed with status \(status)") }
      }
    }
    guard let made = headimpact_onednn_bf16_create(threads, transposed, rows, columns, depth) else { return nil }
    defer { headimpact_onednn_bf16_destroy(made) }
    return try rate(product) { offset in
      let status = headimpact_onednn_bf16_run(made, rounded.bfloat16, pool.narrow.bfloat16 + offset, output.floats)
      guard status == 0 else {
        throw LibraryError(description: "oneDNN: a product of bf16 failed with status \(status)")
      }
    }
  }

  /// It has no product of bf16 operands that this program could use: its float32 product stands for it, as for processors
  /// without such instructions.
  private func openBLASRate(_ product: Case) throws -> Double? {
    guard libraries.openBLAS != nil, product.threads == 1 || headimpact_openblas_has_threads() != 0 else { return nil }
    defer { pause() }
    return try rate(product) { offset in
      headimpact_openblas_f32(
        Int32(product.threads), product.direction == .forward ? 1 : 0, Int64(product.rows), Int64(product.columns),
        Int64(product.depth), activations.floats, pool.wide.floats + offset, output.floats)
    }
  }
}
