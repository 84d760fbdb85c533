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
      let (rows, columns, depth) = (operand.rows, output.columns, operand.columns)
      let (to, panels) = (output.floatBase, panels.base)
      let count = (columns + Self.panelRows - 1) / Self.panelRows
      // A sum of no terms.
      if depth == 0, !accumulate { to.update(repeating: 0, count: rows * columns) }
      operand.withPacked { packed in
        let source = packed.assumingMemoryBound(to: Float.self)
        team.forEach(count, work: rows * columns * depth / 8) { panel, thread in
          let first = panel * Self.panelRows
          let width = min(Self.panelRows, columns - first)
          let wide = panels + thread * Self.panelRows * Self.panelDepth
          for start in stride(from: 0, to: depth, by: Self.panelDepth) {
            let length = min(Self.panelDepth, depth - start)
            let (members, terms) = (first..<first + width, start..<start + length)
            weight.copy(isBackward ? terms : members, isBackward ? members : terms, rounds: rounds, into: wide)
            multiplySerially(
              source + start, stride: depth, wide, stride: isBackward ? width : length, isTransposed: !isBackward,
              into: to + first, stride: columns, rows: rows, columns: width, depth: length,
              accumulate: accumulate || start > 0)
          }
        }
      }
      guard let bias else { return }
      let (base, width) = (bias.floatBase, bias.count)
      team.forEachRange(of: rows, work: rows * width) { range in
        for row in range { headimpact_add(to + row * width, base, width) }
      }
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
