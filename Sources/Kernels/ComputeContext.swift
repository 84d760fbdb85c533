import CVectorMath

/// A linear layer: y = W x + b.
///
/// - Shape: weight [out, in], bias [out].
public struct Linear: Sendable {
  public let weight: Tensor
  public let bias: [Float]?

  public init(weight: Tensor, bias: [Float]? = nil) {
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

/// The left operand of matrix products, in the type that they take: `ComputeContext.withOperand` lends it.
///
/// It can't be copied, and is only ever borrowed: no pointer in it outlives the rows that it was made of.
///
/// - Shape: [rows, columns].
public struct Operand: ~Copyable {
  /// Rounded as the product takes them only where it multiplies in float32.
  fileprivate let floats: UnsafePointer<Float>
  fileprivate let narrow: UnsafePointer<UInt16>?
  public let rows: Int
  public let columns: Int

  fileprivate init(floats: UnsafePointer<Float>, narrow: UnsafePointer<UInt16>?, rows: Int, columns: Int) {
    self.floats = floats
    self.narrow = narrow
    self.rows = rows
    self.columns = columns
  }

  /// Its numbers in float32: rounded to bf16 where the product takes them so but multiplies in float32.
  ///
  /// - Parameter body: given [rows, columns], valid until it returns.
  public func withFloats<R>(_ body: (UnsafePointer<Float>) throws -> R) rethrows -> R { try body(floats) }

  /// Its rows from `first` on, as an operand.
  public func withRows<R>(from first: Int, _ body: (borrowing Operand) throws -> R) rethrows -> R {
    precondition((0...rows).contains(first))
    return try body(
      Operand(
        floats: floats + first * columns, narrow: narrow.map { $0 + first * columns }, rows: rows - first,
        columns: columns))
  }
}

/// How and where a forward pass computes: its precision, its threads and the scratch of its matrix products.
/// One per model, used by one thread at a time.
public final class ComputeContext {
  public let precision: Precision
  public let team: ThreadTeam
  private let narrowProduct: BFloat16Product?
  private let wideProduct: Float32Product
  // Scratch of operands: in bf16, or rounded to it where products multiply in float32.
  private var narrowOperand = AlignedBuffer<UInt16>()
  private var roundedOperand = AlignedBuffer<Float>()
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
    LinearAlgebraLibraries.settle()
    self.precision = precision
    self.team = team
    narrowProduct = precision == .bf16 && useBFloat16Instructions ? try BFloat16Product(team: team) : nil
    wideProduct = Float32Product(team: team)
  }

  /// Lends rows of activations as matrix products take them: rounded to bf16 in that precision.
  ///
  /// - Shape: activations [rows, columns]; they are read only.
  /// - Parameter body: may lend another operand, but not change `activations`.
  public func withOperand<R>(
    _ activations: UnsafePointer<Float>, rows: Int, columns: Int, _ body: (borrowing Operand) throws -> R
  ) rethrows -> R {
    guard precision == .bf16 else {
      return try body(Operand(floats: activations, narrow: nil, rows: rows, columns: columns))
    }
    // Taken out while it is lent: an operand made meanwhile gets scratch of its own.
    var scratch = AlignedBuffer<UInt16>()
    var rounded = AlignedBuffer<Float>()
    if narrowProduct != nil {
      swap(&scratch, &narrowOperand)
      scratch.reserve(rows * columns)
    } else {
      swap(&rounded, &roundedOperand)
      rounded.reserve(rows * columns)
    }
    defer { narrowProduct != nil ? swap(&scratch, &narrowOperand) : swap(&rounded, &roundedOperand) }
    let (narrow, floats) = (scratch.base, rounded.base)
    team.forEachRange(of: rows, work: rows * columns) { range in
      let start = range.lowerBound * columns
      if narrowProduct != nil {
        headimpact_narrow_bf16(activations + start, narrow + start, range.count * columns)
      } else {
        headimpact_round_bf16(activations + start, floats + start, range.count * columns)
      }
    }
    return try body(
      narrowProduct != nil
        ? Operand(floats: activations, narrow: UnsafePointer(narrow), rows: rows, columns: columns)
        : Operand(floats: UnsafePointer(floats), narrow: nil, rows: rows, columns: columns))
  }

  /// output = x · Wᵀ + b, or output += x · Wᵀ + b, where no other product takes the same rows.
  ///
  /// - Shape: x [rows, in], output [rows, out].
  /// - Throws: `OneDNNError`.
  public func apply(
    _ layer: Linear, to x: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
    accumulate: Bool = false
  ) throws {
    try withOperand(x, rows: rows, columns: layer.inputs) {
      try apply(layer, to: $0, into: output, accumulate: accumulate)
    }
  }

  /// output = x · Wᵀ + b, or output += x · Wᵀ + b.
  ///
  /// - Shape: x [rows, in], output [rows, out].
  /// - Throws: `OneDNNError`.
  public func apply(
    _ layer: Linear, to x: borrowing Operand, into output: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) throws {
    precondition(x.columns == layer.inputs)
    guard x.rows > 0 else { return }
    if let narrowProduct, let narrow = x.narrow {
      try narrowProduct.multiply(
        narrow, bfloat16(layer.weight), into: output, rows: x.rows, columns: layer.outputs, depth: x.columns,
        accumulate: accumulate)
    } else {
      try wideProduct.multiply(x.floats, layer.weight, into: output, rows: x.rows, accumulate: accumulate)
    }
    if let bias = layer.bias {
      let rows = x.rows
      bias.withUnsafeBufferPointer { bias in
        guard let base = bias.baseAddress else { return }
        team.forEachRange(of: rows, work: rows * bias.count) { range in
          for row in range { headimpact_add(output + row * bias.count, base, bias.count) }
        }
      }
    }
  }

  /// output (+)= dy · W: the gradient of a linear layer's input from that of its output.
  ///
  /// - Shape: dy [rows, out], output [rows, in].
  /// - Throws: `OneDNNError`.
  public func applyBackward(
    _ layer: Linear, to dy: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
    accumulate: Bool = false
  ) throws {
    try withOperand(dy, rows: rows, columns: layer.outputs) {
      try applyBackward(layer, to: $0, into: output, accumulate: accumulate)
    }
  }

  /// As above, on an operand that other products take too.
  public func applyBackward(
    _ layer: Linear, to dy: borrowing Operand, into output: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) throws {
    precondition(dy.columns == layer.outputs)
    guard dy.rows > 0 else { return }
    if let narrowProduct, let narrow = dy.narrow {
      try narrowProduct.multiply(
        narrow, bfloat16(layer.weight), isTransposed: false, into: output, rows: dy.rows, columns: layer.inputs,
        depth: dy.columns, accumulate: accumulate)
    } else {
      try wideProduct.multiplyBackward(dy.floats, layer.weight, into: output, rows: dy.rows, accumulate: accumulate)
    }
  }

  /// The weight in bf16: as it is mapped, or in scratch where the file holds another type or doesn't align it. So a file
  /// whose tensors are unaligned costs memory for one of them, not for all.
  private func bfloat16(_ weight: Tensor) -> UnsafeRawPointer {
    let isNarrow = weight.elementType == .bf16
    if isNarrow, weight.isAligned { return weight.base }
    let columns = weight.columns
    narrowWeights.reserve(weight.rows * columns)
    let narrow = narrowWeights.base
    team.forEachRange(of: weight.rows, work: weight.rows * columns) { range in
      if isNarrow {
        UnsafeMutableRawPointer(narrow + range.lowerBound * columns)
          .copyMemory(from: weight.base + range.lowerBound * columns * 2, byteCount: range.count * columns * 2)
        return
      }
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

extension Tensor {
  /// One row, widened to float32: a token's embedding, for one.
  ///
  /// - Shape: output [columns].
  public func copyRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
    copyRow(row, from: 0, count: columns, into: output)
  }

  /// A part of one row, widened to float32, at whatever byte it begins.
  ///
  /// - Shape: output [count].
  func copyRow(_ row: Int, from column: Int, count: Int, into output: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows && column >= 0 && count >= 0 && column + count <= columns)
    let start = base + (row * columns + column) * elementType.byteCount
    guard elementType != .f32 else {
      UnsafeMutableRawPointer(output).copyMemory(from: start, byteCount: count * 4)
      return
    }
    guard !isAligned else { return widen(start.assumingMemoryBound(to: UInt16.self), into: output, count) }
    let most = 512
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: most) { aligned in
      guard let aligned = aligned.baseAddress else { return }
      for first in stride(from: 0, to: count, by: most) {
        let length = min(most, count - first)
        UnsafeMutableRawPointer(aligned).copyMemory(from: start + first * 2, byteCount: length * 2)
        widen(aligned, into: output + first, length)
      }
    }
  }

  private func widen(_ narrow: UnsafePointer<UInt16>, into output: UnsafeMutablePointer<Float>, _ count: Int) {
    if elementType == .bf16 {
      headimpact_widen_bf16(narrow, output, count)
    } else {
      headimpact_widen_f16(narrow, output, count)
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
