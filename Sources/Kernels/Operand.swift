/// The left operand of matrix products, as they take it: `Backend.withOperand` passes it.
///
/// It can't be copied, and doesn't outlive the call that passes it: neither compiles.
///
/// - Shape: [rows, columns].
public struct Operand: ~Copyable, ~Escapable {
  /// Its numbers, as they were before they were packed or rounded. Undefined once it is given back.
  public let floats: Tensor
  /// The same, packed by `MatrixProduct`.
  private let packed: Span<UInt8>

  @_lifetime(copy packed)
  init(_ floats: Tensor, packed: Span<UInt8>) {
    self.floats = floats
    self.packed = packed
  }

  public var rows: Int { floats.rows }
  public var columns: Int { floats.columns }

  func withPacked(_ body: (UnsafeRawPointer) -> Void) {
    packed.withUnsafeBufferPointer { if let base = $0.baseAddress { body(UnsafeRawPointer(base)) } }
  }
}
