import CVectorMath

/// The backend that computes on this process's processors: its precision, its threads and the scratch of its operations.
public final class CPUBackend: Backend {
  public let precision: Precision
  public let team: ThreadTeam
  private let bfloat16Product: BFloat16Product?
  private let float32Product: Float32Product
  // Scratch of operands: in bf16, or rounded to it where products multiply in float32.
  private var bfloat16Operand = AlignedBuffer<UInt16>()
  private var roundedOperand: Tensor?
  private var bfloat16Weights = AlignedBuffer<UInt16>()
  /// Scratch of attention.
  var attention = AlignedBuffer<Float>()
  /// Scratch of low-rank products.
  var lowRank = AlignedBuffer<Float>()

  /// Whether this processor has instructions for bf16.
  public static var hasBFloat16Instructions: Bool { BFloat16Product.hasInstructions }
  /// Whether its bf16 instructions are faster than float32's. Where they are not, the bf16 precision rounds operands
  /// as it should, and multiplies them in float32: the sums are float32 in both.
  public static var hasFastBFloat16: Bool { BFloat16Product.isFast }

  /// - Parameter useBFloat16Instructions: false takes the path of a processor without them, true needs them.
  /// - Throws: `OneDNNError` where oneDNN can't start.
  public init(
    precision: Precision, team: ThreadTeam, useBFloat16Instructions: Bool = CPUBackend.hasFastBFloat16
  ) throws {
    LinearAlgebraLibraries.settle()
    self.precision = precision
    self.team = team
    bfloat16Product = precision == .bf16 && useBFloat16Instructions ? try BFloat16Product(team: team) : nil
    float32Product = Float32Product(team: team)
  }

  public func withOperand<R>(_ x: Tensor, _ body: (borrowing Operand) throws -> R) rethrows -> R {
    guard precision == .bf16 else { return try body(Operand(x)) }
    return bfloat16Product != nil ? try withBFloat16Operand(x, body) : try withRoundedOperand(x, body)
  }

  private func withBFloat16Operand<R>(_ x: Tensor, _ body: (borrowing Operand) throws -> R) rethrows -> R {
    // Taken out while it is lent: an operand made meanwhile gets scratch of its own.
    var scratch = AlignedBuffer<UInt16>()
    swap(&scratch, &bfloat16Operand)
    defer { swap(&scratch, &bfloat16Operand) }
    let (from, to, columns) = (x.floatBase, scratch.reserving(x.count), x.columns)
    team.forEachRange(of: x.rows, work: x.count) { range in
      let start = range.lowerBound * columns
      headimpact_narrow_bf16(from + start, to + start, range.count * columns)
    }
    return try body(Operand(x, bfloat16: Span(_unsafeStart: UnsafePointer(to), count: x.count)))
  }

  private func withRoundedOperand<R>(_ x: Tensor, _ body: (borrowing Operand) throws -> R) rethrows -> R {
    var scratch: Tensor?
    swap(&scratch, &roundedOperand)
    // What is too small goes before its successor comes.
    if let memory = scratch, memory.count < x.count { scratch = nil }
    let memory = scratch ?? tensor(rows: x.rows, columns: x.columns)
    defer { roundedOperand = memory }
    let rounded = memory.reshaped(rows: x.rows, columns: x.columns)
    let (from, to, columns) = (x.floatBase, rounded.floatBase, x.columns)
    team.forEachRange(of: x.rows, work: x.count) { range in
      let start = range.lowerBound * columns
      headimpact_round_bf16(from + start, to + start, range.count * columns)
    }
    return try body(Operand(rounded))
  }

  public func apply(_ layer: Linear, to x: borrowing Operand, into output: Tensor, accumulate: Bool) throws {
    precondition(x.columns == layer.inputs && output.rows == x.rows && output.columns == layer.outputs)
    guard x.rows > 0 else { return }
    let to = output.floatBase
    if let bfloat16Product, let rounded = x.bfloat16 {
      let (rows, depth) = (x.rows, x.columns)
      try rounded.withUnsafeBufferPointer {
        guard let base = $0.baseAddress else { return }
        try bfloat16Product.multiply(
          base, bfloat16(layer.weight), into: to, rows: rows, columns: layer.outputs, depth: depth,
          accumulate: accumulate)
      }
    } else {
      try float32Product.multiply(x.floats.floatBase, layer.weight, into: to, rows: x.rows, accumulate: accumulate)
    }
    if let bias = layer.bias {
      let (base, count) = (bias.floatBase, bias.count)
      team.forEachRange(of: x.rows, work: x.rows * count) { range in
        for row in range { headimpact_add(to + row * count, base, count) }
      }
    }
  }

  public func applyBackward(_ layer: Linear, to dy: borrowing Operand, into output: Tensor, accumulate: Bool) throws {
    precondition(dy.columns == layer.outputs && output.rows == dy.rows && output.columns == layer.inputs)
    guard dy.rows > 0 else { return }
    if let bfloat16Product, let rounded = dy.bfloat16 {
      let (rows, depth) = (dy.rows, dy.columns)
      try rounded.withUnsafeBufferPointer {
        guard let base = $0.baseAddress else { return }
        try bfloat16Product.multiply(
          base, bfloat16(layer.weight), isTransposed: false, into: output.floatBase, rows: rows,
          columns: layer.inputs, depth: depth, accumulate: accumulate)
      }
    } else {
      try float32Product.multiplyBackward(
        dy.floats.floatBase, layer.weight, into: output.floatBase, rows: dy.rows, accumulate: accumulate)
    }
  }

  /// The weight in bf16: as it is mapped, or in scratch where the file holds another type or doesn't align it. So a file
  /// whose tensors are unaligned costs memory for one of them, not for all.
  private func bfloat16(_ weight: Tensor) -> UnsafeRawPointer {
    let isBFloat16 = weight.elementType == .bf16
    if isBFloat16, weight.isAligned { return weight.base }
    let columns = weight.columns
    bfloat16Weights.reserve(weight.rows * columns)
    let narrow = bfloat16Weights.base
    team.forEachRange(of: weight.rows, work: weight.rows * columns) { range in
      if isBFloat16 {
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
