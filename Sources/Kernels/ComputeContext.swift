import CVectorMath
import TensorCore

/// A linear layer: y = W x + b.
///
/// - Shape: weight [out, in], bias [out].
public struct Linear: Sendable {
  public let weight: WeightMatrix
  public let bias: [Float]?

  public init(weight: WeightMatrix, bias: [Float]? = nil) {
    precondition(bias == nil || bias?.count == weight.rows)
    self.weight = weight
    self.bias = bias
  }

  /// Some of its outputs, as a layer: the queries of a fused projection, for one.
  public func rows(_ range: Range<Int>) -> Linear {
    Linear(weight: weight.rows(range), bias: bias.map { Array($0[range]) })
  }

  public var inputs: Int { weight.columns }
  public var outputs: Int { weight.rows }
}

/// The left operand of matrix products, in the type that they take.
///
/// - Shape: [rows, columns]. Valid until the next operand is made.
public struct Operand {
  /// Rounded as the product takes them only where it multiplies in float32.
  public let floats: UnsafePointer<Float>
  let narrow: UnsafePointer<UInt16>?
  public let rows: Int
  public let columns: Int

  /// The rows from `first` on.
  public func rows(from first: Int) -> Operand {
    Operand(
      floats: floats + first * columns, narrow: narrow.map { $0 + first * columns }, rows: rows - first,
      columns: columns)
  }
}

/// How and where a forward pass computes: its precision, its threads and the scratch of its matrix products.
/// One per model, used by one thread at a time.
public final class ComputeContext {
  public let precision: Precision
  public let team: ThreadTeam
  private let narrowProduct: BFloat16Product?
  private let wideProduct: Float32Product
  private var narrowOperand = AlignedBuffer<UInt16>()
  private var narrowWeights = AlignedBuffer<UInt16>()

  /// Whether this processor has instructions for bf16.
  public static var hasBFloat16Instructions: Bool { BFloat16Product.hasInstructions }
  /// Whether its bf16 instructions are faster than float32's. Where they are not, the bf16 precision rounds operands
  /// as it should, and multiplies them in float32: the sums are float32 in both.
  public static var hasFastBFloat16: Bool { BFloat16Product.isFast }

  /// - Parameter useBFloat16Instructions: false takes the path of a processor without them, true needs them.
  /// - Throws: `OneDNNError` where oneDNN can't start.
  public init(
    precision: Precision, team: ThreadTeam, useBFloat16Instructions: Bool = ComputeContext.hasFastBFloat16
  ) throws {
    self.precision = precision
    self.team = team
    narrowProduct = precision == .bf16 && useBFloat16Instructions ? try BFloat16Product(team: team) : nil
    wideProduct = Float32Product(team: team)
  }

  /// Makes rows of activations ready to be multiplied: rounded to bf16 in that precision.
  ///
  /// - Shape: activations [rows, columns].
  public func operand(_ activations: UnsafeMutablePointer<Float>, rows: Int, columns: Int) -> Operand {
    guard precision == .bf16 else {
      return Operand(floats: UnsafePointer(activations), narrow: nil, rows: rows, columns: columns)
    }
    narrowOperand.reserve(rows * columns)
    let narrow = narrowOperand.base
    let widenAgain = narrowProduct == nil
    team.forEachRange(of: rows, work: rows * columns) { range in
      let start = range.lowerBound * columns
      headimpact_narrow_bf16(activations + start, narrow + start, range.count * columns)
      if widenAgain { headimpact_widen_bf16(narrow + start, activations + start, range.count * columns) }
    }
    return Operand(floats: UnsafePointer(activations), narrow: UnsafePointer(narrow), rows: rows, columns: columns)
  }

  /// output = x · Wᵀ + b, or output += x · Wᵀ + b.
  ///
  /// - Shape: x [rows, in], output [rows, out].
  /// - Throws: `OneDNNError`.
  public func apply(
    _ layer: Linear, to x: Operand, into output: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) throws {
    precondition(x.columns == layer.inputs)
    guard x.rows > 0 else { return }
    if let narrowProduct, let narrow = x.narrow {
      try narrowProduct.multiply(
        narrow, bfloat16(layer.weight), into: output, rows: x.rows, columns: layer.outputs, depth: x.columns,
        accumulate: accumulate)
    } else {
      wideProduct.multiply(x.floats, layer.weight, into: output, rows: x.rows, accumulate: accumulate)
    }
    if let bias = layer.bias {
      bias.withUnsafeBufferPointer { bias in
        guard let base = bias.baseAddress else { return }
        team.forEachRange(of: x.rows, work: x.rows * bias.count) { range in
          for row in range { headimpact_add(output + row * bias.count, base, bias.count) }
        }
      }
    }
  }

  /// output (+)= dy · W: the gradient of a linear layer's input from that of its output.
  ///
  /// - Shape: dy [rows, out], output [rows, in].
  /// - Throws: `OneDNNError`.
  public func applyBack(
    _ layer: Linear, to dy: Operand, into output: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) throws {
    precondition(dy.columns == layer.outputs)
    guard dy.rows > 0 else { return }
    if let narrowProduct, let narrow = dy.narrow {
      try narrowProduct.multiply(
        narrow, bfloat16(layer.weight), isTransposed: false, into: output, rows: dy.rows, columns: layer.inputs,
        depth: dy.columns, accumulate: accumulate)
    } else {
      wideProduct.multiplyBack(dy.floats, layer.weight, into: output, rows: dy.rows, accumulate: accumulate)
    }
  }

  /// The weight in bf16: as it is mapped, or rounded into scratch where the file holds another type.
  private func bfloat16(_ weight: WeightMatrix) -> UnsafeRawPointer {
    guard weight.elementType != .bf16 else { return weight.base }
    let columns = weight.columns
    narrowWeights.reserve(weight.rows * columns)
    let narrow = narrowWeights.base
    team.forEachRange(of: weight.rows, work: weight.rows * columns) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { wide in
        guard let wide = wide.baseAddress else { return }
        for row in range {
          weight.copyRow(row, into: wide)
          headimpact_narrow_bf16(wide, narrow + row * columns, columns)
        }
      }
    }
    return UnsafeRawPointer(narrow)
  }
}

extension WeightMatrix {
  /// One row, widened to float32: a token's embedding, for one.
  ///
  /// - Shape: output [columns].
  public func copyRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows)
    let start = base + row * columns * elementType.byteCount
    switch elementType {
    case .f32: output.update(from: start.assumingMemoryBound(to: Float.self), count: columns)
    case .bf16: headimpact_widen_bf16(start.assumingMemoryBound(to: UInt16.self), output, columns)
    case .f16: headimpact_widen_f16(start.assumingMemoryBound(to: UInt16.self), output, columns)
    }
  }

  /// Every element, widened to float32, row after row: a norm's weight or a bias.
  public func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      if let base = buffer.baseAddress {
        for row in 0..<rows { copyRow(row, into: base + row * columns) }
      }
      count = rows * columns
    }
  }
}
