/// A linear layer: y = W x + b.
///
/// - Shape: weight [out, in], bias [1, out].
public struct Linear: Sendable {
  public let weight: Tensor
  public let bias: Tensor?

  public init(weight: Tensor, bias: Tensor? = nil) {
    precondition(bias == nil || bias?.count == weight.rows)
    self.weight = weight
    self.bias = bias
  }

  /// - Parameter bias: [out].
  @_disfavoredOverload
  public init(weight: Tensor, bias: [Float]?) {
    self.init(weight: weight, bias: bias.map { Tensor($0) })
  }

  /// Some of its outputs, as a layer: the queries of a fused projection, for one.
  public func rows(_ range: Range<Int>) -> Linear {
    Linear(
      weight: weight.rows(range),
      bias: bias.map {
        $0.reshaped(rows: $0.count, columns: 1).rows(range).reshaped(rows: 1, columns: range.count)
      })
  }

  public var inputs: Int { weight.columns }
  public var outputs: Int { weight.rows }
}

/// The left operand of matrix products, in the type that they take: `Backend.withOperand` lends it.
///
/// It can't be copied, and is only ever borrowed.
///
/// - Shape: [rows, columns].
public struct Operand: ~Copyable {
  /// Its numbers in float32: rounded to bf16 where the product takes them so but multiplies in float32. Valid while it is lent.
  public let floats: Tensor
  let narrow: UnsafePointer<UInt16>?

  init(floats: Tensor, narrow: UnsafePointer<UInt16>?) {
    self.floats = floats
    self.narrow = narrow
  }

  public var rows: Int { floats.rows }
  public var columns: Int { floats.columns }

  /// Its rows from `first` on, as an operand.
  public func withRows<R>(from first: Int, _ body: (borrowing Operand) throws -> R) rethrows -> R {
    precondition((0...rows).contains(first))
    return try body(Operand(floats: floats.rows(first..<rows), narrow: narrow.map { $0 + first * columns }))
  }
}
