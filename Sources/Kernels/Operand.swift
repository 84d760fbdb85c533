/// The left operand of matrix products, in the type that they take: `Backend.withOperand` lends it.
///
/// It can't be copied, and doesn't outlive the call that lends it: neither compiles.
///
/// - Shape: [rows, columns].
public struct Operand: ~Copyable, ~Escapable {
  /// Its numbers in float32: rounded to bf16 where the product takes them so but multiplies in float32. Undefined once it is
  /// given back.
  public let floats: Tensor
  /// Its numbers in bf16, where the product takes them so.
  let bfloat16: Span<UInt16>?

  @_lifetime(borrow floats)
  init(_ floats: borrowing Tensor) {
    self.floats = copy floats
    bfloat16 = nil
  }

  @_lifetime(copy bfloat16)
  init(_ floats: Tensor, bfloat16: Span<UInt16>) {
    precondition(bfloat16.count == floats.count)
    self.floats = floats
    self.bfloat16 = bfloat16
  }

  public var rows: Int { floats.rows }
  public var columns: Int { floats.columns }

  /// Its rows from `first` on, as an operand.
  public func withRows<R>(from first: Int, _ body: (borrowing Operand) throws -> R) rethrows -> R {
    precondition((0...rows).contains(first))
    let rest = floats.rows(first..<rows)
    guard let bfloat16 else { return try body(Operand(rest)) }
    return try body(Operand(rest, bfloat16: bfloat16.extracting(droppingFirst: first * columns)))
  }
}
