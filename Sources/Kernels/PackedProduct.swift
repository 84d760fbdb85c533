#if arch(x86_64)
  import CMatrixProduct

  /// Matrix products on operands packed for the processor's caches (`CMatrixProduct`).
  ///
  /// Rows of activations are packed once, for all layers that take them; weights, of any element type, panel by panel, in scratch
  /// of the core that multiplies with them: the wide copy of a layer, let alone of the model, never exists. Few rows read the weights
  /// where they lie.
  ///
  /// An element of the result depends on its row and its column alone (see `matrix_product.h`).
  final class MatrixProduct {
    /// Columns of a panel: 256 terms of each, in float32, are a quarter of a megabyte.
    private static let panelColumns = 256
    /// Columns that few rows take together, and the bytes of the smallest task: each begins with a wait for memory.
    private static let fewestColumns = 32
    private static let fewestBytes = 100_000

    let team: ThreadTeam
    let kind: headimpact_product_kind
    /// Whether operands are rounded to bf16.
    let rounds: Bool
    private let scratchBytes: Int
    private var scratch: AlignedBuffer<UInt8>
    /// Scratch of each thread: a panel of a product that a gate multiplies.
    private var gated = AlignedBuffer<Float>()

    init(_ instructions: ProductInstructions, rounds: Bool, team: ThreadTeam) {
      kind = instructions.kind
      self.rounds = rounds
      self.team = team
      scratchBytes = Int(headimpact_product_scratch_bytes(kind, Int64(Self.panelColumns)))
      scratch = AlignedBuffer(count: team.count * scratchBytes)
    }

    /// Bytes of packed rows.
    func packedBytes(_ x: Tensor) -> Int {
      Int(headimpact_product_packed_bytes(kind, Int64(x.rows), Int64(x.columns)))
    }

    /// Packs rows of activations, rounded to bf16 where operands are.
    func pack(_ x: Tensor, into packed: UnsafeMutablePointer<UInt8>) {
      let left = headimpact_matrix(
        base: x.floatBase, stride: Int64(x.columns), element: headimpact_float32, across: 1, rounds: rounds ? 1 : 0)
      let (rows, depth) = (Int64(x.rows), Int64(x.columns))
      let height = tileRows(of: x.rows)
      let kind = kind
      team.forEachRange(of: (x.rows + height - 1) / height, work: x.count) { tiles in
        headimpact_product_pack(
          kind, left, rows, depth, Int64(tiles.lowerBound * height), min(rows, Int64(tiles.upperBound * height)), packed
        )
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
      let right = headimpact_matrix(weight, across: !isBackward, rounds: rounds)
      let (to, bias) = (output.floatBase, bias.map { UnsafePointer($0.floatBase) })
      let division = division(rows: rows, weight, columns: columns, isBackward: isBackward)
      let (kind, scratchBytes, scratch) = (kind, scratchBytes, scratch.base)
      operand.withPacked { packed in
        team.forEach(division.tasks, work: division.work) { task, thread in
          let (part, panel) = (task / division.panels, task % division.panels)
          let (some, members) = (division.rows(part, of: rows), division.columns(panel))
          headimpact_product_run(
            kind, packed, Int64(rows), Int64(depth), right, Int64(some.lowerBound), Int64(some.upperBound),
            Int64(members.lowerBound), Int64(members.upperBound), to, Int64(columns), bias, accumulate ? 1 : 0,
            scratch + thread * scratchBytes)
        }
      }
    }

    /// output = activation(x · Gᵀ + b) · (x · Uᵀ + b), or activation(x · Uᵀ + b) without a gate.
    func multiply(
      _ operand: borrowing Operand, _ activation: Activation, gate: Linear?, up: Linear, into output: Tensor
    ) {
      let (rows, columns, depth) = (operand.rows, output.columns, operand.columns)
      let to = output.floatBase
      let division = division(rows: rows, up.weight, columns: columns)
      let (kind, rounds, scratchBytes, scratch) = (kind, rounds, scratchBytes, scratch.base)
      let gated = gate == nil ? nil : gated.reserving(team.count * rows * division.width)
      operand.withPacked { packed in
        team.forEach(division.tasks, work: division.work * (gate == nil ? 1 : 2)) { task, thread in
          let (part, panel) = (task / division.panels, task % division.panels)
          let (some, members) = (division.rows(part, of: rows), division.columns(panel))
          /// A panel of a layer, row r of it at `c + r * stride`.
          func run(_ layer: Linear, into c: UnsafeMutablePointer<Float>, stride: Int) {
            headimpact_product_run(
              kind, packed, Int64(rows), Int64(depth),
              headimpact_matrix(layer.weight.rows(members), across: true, rounds: rounds),
              Int64(some.lowerBound), Int64(some.upperBound), 0, Int64(members.count), c, Int64(stride),
              layer.bias.map { UnsafePointer($0.floatBase + members.lowerBound) }, 0, scratch + thread * scratchBytes)
          }
          let to = to + members.lowerBound
          run(gate ?? up, into: to, stride: columns)
          guard let gated else {
            for row in some { activation.run(to + row * columns, members.count) }
            return
          }
          let ups = gated + thread * rows * division.width
          run(up, into: ups, stride: members.count)
          for row in some {
            let gate = to + row * columns
            activation.run(gate: gate, up: ups + row * members.count, into: gate, members.count)
          }
        }
      }
    }

    /// Panels of columns, and parts of the rows: about as many of each as all threads share evenly. No bit depends on it.
    private struct Division {
      /// Where panels begin, and where the last one ends.
      let bounds: [Int]
      /// Of the widest panel.
      let width: Int
      /// Of a part.
      let height: Int
      let tasks: Int
      let work: Int

      var panels: Int { bounds.count - 1 }
      func columns(_ panel: Int) -> Range<Int> { bounds[panel]..<bounds[panel + 1] }
      func rows(_ part: Int, of all: Int) -> Range<Int> { part * height..<min(all, (part + 1) * height) }
    }

    private func division(rows: Int, _ weight: Tensor, columns: Int, isBackward: Bool = false) -> Division {
      let depth = weight.count / max(columns, 1)
      if !isBackward, rows <= headimpact_product_few_rows(kind) {
        // Memory is what such a product waits for: a term takes as long as several of many rows.
        let bounds = shrinkingPanels(of: columns, bytes: weight.columns * weight.elementType.byteCount)
        return Division(
          bounds: bounds, width: zip(bounds, bounds.dropFirst()).map { $1 - $0 }.max() ?? 0, height: max(rows, 1),
          tasks: rows == 0 ? 0 : bounds.count - 1, work: columns * depth * (rows + 7) / 8)
      }
      let tile = Int(headimpact_product_tile_columns(kind))
      let fewest = max(1, (columns + Self.panelColumns - 1) / Self.panelColumns)
      let wanted = (fewest + team.count - 1) / team.count * team.count
      let width = min(Self.panelColumns, ((columns + wanted - 1) / wanted + tile - 1) / tile * tile)
      let bounds = Array(stride(from: 0, to: columns, by: width)) + [columns]
      let tileRows = tileRows(of: rows)
      let tiles = (rows + tileRows - 1) / tileRows
      let parts = min(tiles, max(1, team.count / (bounds.count - 1)))
      let height = (tiles + parts - 1) / parts * tileRows
      return Division(
        bounds: bounds, width: width, height: height, tasks: (bounds.count - 1) * ((rows + height - 1) / height),
        work: rows * columns * depth / 8)
    }

    /// Each panel is three quarters of a thread's share of what is left: threads read most of their weights without a break, and
    /// end together, also where one begins late.
    ///
    /// - Parameter bytes: of a column.
    /// - Returns: where panels begin, and where the last one ends.
    private func shrinkingPanels(of columns: Int, bytes: Int) -> [Int] {
      guard team.count > 1 else { return columns > 0 ? [0, columns] : [0] }
      let step = Self.fewestColumns
      let least = (Self.fewestBytes / max(bytes, 1) + step) / step * step
      var bounds = [0]
      var first = 0
      while first < columns {
        let left = columns - first
        let width = max(least, left * 3 / (4 * team.count) / step * step)
        first += left - width < step ? left : width
        bounds.append(first)
      }
      return bounds
    }

    private func tileRows(of rows: Int) -> Int { Int(headimpact_product_tile_rows(kind, Int64(rows))) }
  }

  extension headimpact_matrix {
    /// Weights where they lie, [members, terms] if they are across.
    fileprivate init(_ weight: Tensor, across: Bool, rounds: Bool) {
      let element =
        switch weight.elementType {
        case .f32: headimpact_float32
        case .bf16: headimpact_bfloat16
        case .f16: headimpact_float16
        }
      self.init(
        base: weight.base, stride: Int64(weight.columns), element: element, across: across ? 1 : 0,
        rounds: rounds && weight.elementType != .bf16 ? 1 : 0)
    }
  }
#endif
