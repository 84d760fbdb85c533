/// The backend that computes on this process's processors: its precision, its threads and the scratch of its
/// operations.
public final class CPUBackend: Backend {
  public let precision: Precision
  public let team: ThreadTeam
  let product: MatrixProduct
  /// Scratch of the operand.
  private var packedOperand = AlignedBuffer<UInt8>()
  private var isOperandLent = false
  /// Scratch of attention.
  var attention = AlignedBuffer<Float>()
  /// Scratch of low-rank products.
  var lowRank = AlignedBuffer<Float>()

  /// - Parameter instructions: those of matrix products; the fastest by default.
  /// - Throws: `MissingInstructions`.
  public init(precision: Precision, team: ThreadTeam, instructions: ProductInstructions? = nil) throws {
    let chosen = instructions ?? .fastest(for: precision)
    guard ProductInstructions.available(for: precision).contains(chosen) else {
      throw MissingInstructions(instructions: chosen, precision: precision)
    }
    self.precision = precision
    self.team = team
    product = MatrixProduct(chosen, rounds: precision == .bf16, team: team)
  }

  public func withOperand<R>(_ x: Tensor, _ body: (borrowing Operand) throws -> R) rethrows -> R {
    precondition(!isOperandLent, "one operand at a time is lent")
    isOperandLent = true
    defer { isOperandLent = false }
    // Also where there is nothing to multiply with: a sum of no terms is 0.
    let count = max(product.packedBytes(x), 1)
    let packed = packedOperand.reserving(count)
    product.pack(x, into: packed)
    return try body(Operand(x, packed: Span(_unsafeStart: UnsafePointer(packed), count: count)))
  }

  public func apply(_ layer: Linear, to x: borrowing Operand, into output: Tensor, accumulate: Bool) throws {
    precondition(x.columns == layer.inputs && output.rows == x.rows && output.columns == layer.outputs)
    guard output.count > 0 else { return }
    product.multiply(x, layer.weight, bias: layer.bias, into: output, accumulate: accumulate)
  }

  public func apply(
    _ activation: Activation, gate: Linear?, up: Linear, to x: borrowing Operand, into output: Tensor
  ) throws {
    precondition(x.columns == up.inputs && output.rows == x.rows && output.columns == up.outputs)
    precondition(gate == nil || gate?.inputs == up.inputs && gate?.outputs == up.outputs)
    guard output.count > 0 else { return }
    product.multiply(x, activation, gate: gate, up: up, into: output)
  }

  public func applyBackward(_ layer: Linear, to dy: borrowing Operand, into output: Tensor, accumulate: Bool) throws {
    precondition(dy.columns == layer.outputs && output.rows == dy.rows && output.columns == layer.inputs)
    guard output.count > 0 else { return }
    product.multiply(dy, layer.weight, isBackward: true, into: output, accumulate: accumulate)
  }
}
