#if !arch(x86_64)
  import COpenBLAS
  import CVectorMath

  /// Matrix products by OpenBLAS, on weights of any element type: these are widened panel by panel.
  final class MatrixProduct {
    private static let panelRows = 256
    private static let panelDepth = 1024
    private let team: ThreadTeam
    /// Whether operands are rounded to bf16.
    private let rounds: Bool
    private var panels: AlignedBuffer<Float>
    /// Scratch of each thread: a panel of a product that a gate multiplies.
    private var gated = AlignedBuffer<Float>()

    init(_ instructions: ProductInstructions, rounds: Bool, team: ThreadTeam) {
      _ = Self.isSerial
      self.rounds = rounds
      self.team = team
      panels = AlignedBuffer(count: team.count * Self.panelRows * Self.panelDepth)
    }

    /// OpenBLAS is called from every thread of the team and stays on it.
    private static let isSerial: Bool = {
      openblas_set_num_threads(1)
      return true
    }()

    /// Bytes of the rows as `pack` leaves them.
    func packedBytes(_ x: Tensor) -> Int { x.count * MemoryLayout<Float>.stride }

    /// The rows, rounded to bf16 where operands are.
    func pack(_ x: Tensor, into packed: UnsafeMutablePointer<UInt8>) {
      let to = UnsafeMutableRawPointer(packed).assumingMemoryBound(to: Float.self)
      let (from, columns, rounds) = (x.floatBase, x.columns, rounds)
      team.forEachRange(of: x.rows, work: x.count) { range in
        let (start, count) = (range.lowerBound * columns, range.count * columns)
        if rounds {
          headimpact_round_bf16(from + start, to + start, count)
        } else {
          (to + start).update(from: from + start, count: count)
        }
      }
    }

    /// output (+)= x · Wᵀ + b, or of the backward pass dy · W.
    ///
    /// - Shape: x [rows, in], weight [out, in], output [rows, out]; or dy [rows, out], output [rows, in].
    func multiply(
      _ operand: borrowing Operand, _ weight: Tensor, isBackward: Bool = false, bias: Tensor? = nil,
      into output: Tensor,
      accumulate: Bool
    ) {
      let (rows, columns, depth, to) = (operand.rows, output.columns, operand.columns, output.floatBase)
      forEachPanel(of: columns, operand, work: rows * columns * depth / 8) { source, members, _, wide in
        multiply(
          source, rows: rows, depth: depth, weight, members, isBackward: isBackward, bias: bias,
          into: to + members.lowerBound, stride: columns, accumulate: accumulate, wide: wide)
      }
    }

    /// output = activation(x · Gᵀ + b) · (x · Uᵀ + b), or activation(x · Uᵀ + b) without a gate.
    func multiply(
      _ operand: borrowing Operand, _ activation: Activation, gate: Linear?, up: Linear, into output: Tensor
    ) {
      let (rows, columns, depth, to) = (operand.rows, output.columns, operand.columns, output.floatBase)
      let gated = gate == nil ? nil : gated.reserving(team.count * rows * Self.panelRows)
      let work = rows * columns * depth / (gate == nil ? 8 : 4)
      forEachPanel(of: columns, operand, work: work) { source, members, thread, wide in
        func run(_ layer: Linear, into c: UnsafeMutablePointer<Float>, stride: Int) {
          multiply(
            source, rows: rows, depth: depth, layer.weight, members, isBackward: false, bias: layer.bias, into: c,
            stride: stride, accumulate: false, wide: wide)
        }
        let to = to + members.lowerBound
        run(gate ?? up, into: to, stride: columns)
        guard let gated else {
          for row in 0..<rows { activation.run(to + row * columns, members.count) }
          return
        }
        let ups = gated + thread * rows * Self.panelRows
        run(up, into: ups, stride: members.count)
        for row in 0..<rows {
          let gate = to + row * columns
          activation.run(gate: gate, up: ups + row * members.count, into: gate, members.count)
        }
      }
    }

    /// - Parameter body: is given the operand's rows, a panel's columns, the thread, and scratch of its own for a part of the weights.
    private func forEachPanel(
      of columns: Int, _ operand: borrowing Operand, work: Int,
      _ body: (UnsafePointer<Float>, Range<Int>, _ thread: Int, _ wide: UnsafeMutablePointer<Float>) -> Void
    ) {
      let panels = panels.base
      operand.withPacked { packed in
        let source = packed.assumingMemoryBound(to: Float.self)
        team.forEach((columns + Self.panelRows - 1) / Self.panelRows, work: work) { panel, thread in
          let first = panel * Self.panelRows
          body(
            source, first..<min(columns, first + Self.panelRows), thread,
            panels + thread * Self.panelRows * Self.panelDepth)
        }
      }
    }

    /// Some columns of a product, on the calling thread. - Shape: c [rows, members.count], its rows `stride` apart.
    private func multiply(
      _ source: UnsafePointer<Float>, rows: Int, depth: Int, _ weight: Tensor, _ members: Range<Int>, isBackward: Bool,
      bias: Tensor?, into c: UnsafeMutablePointer<Float>, stride cStride: Int, accumulate: Bool,
      wide: UnsafeMutablePointer<Float>
    ) {
      let width = members.count
      // A sum of no terms.
      if depth == 0, !accumulate { for row in 0..<rows { (c + row * cStride).update(repeating: 0, count: width) } }
      for start in stride(from: 0, to: depth, by: Self.panelDepth) {
        let length = min(Self.panelDepth, depth - start)
        let terms = start..<start + length
        weight.copy(isBackward ? terms : members, isBackward ? members : terms, rounds: rounds, into: wide)
        multiplySerially(
          source + start, stride: depth, wide, stride: isBackward ? width : length, isTransposed: !isBackward,
          into: c, stride: cStride, rows: rows, columns: width, depth: length, accumulate: accumulate || start > 0)
      }
      guard let bias else { return }
      for row in 0..<rows { headimpact_add(c + row * cStride, bias.floatBase + members.lowerBound, width) }
    }
  }

  extension Tensor {
    /// Some rows and columns in float32.
    ///
    /// - Shape: scratch [rows.count, columns.count].
    fileprivate func copy(
      _ rows: Range<Int>, _ columns: Range<Int>, rounds: Bool, into scratch: UnsafeMutablePointer<Float>
    ) {
      for (place, row) in rows.enumerated() {
        let line = scratch + place * columns.count
        copyRow(row, from: columns.lowerBound, count: columns.count, into: line)
        if rounds { headimpact_round_bf16(line, line, columns.count) }
      }
    }
  }
#endif
