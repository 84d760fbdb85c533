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
    /// Tasks a thread where weights are read where they lie: each begins with a wait for memory.
    private static let tasksAThread = 4
    /// Columns of such a task at least.
    private static let fewestColumns = 64

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
      let division = division(rows: rows, columns: columns, isBackward: isBackward)
      let (kind, scratchBytes, scratch) = (kind, scratchBytes, scratch.base)
      operand.withPacked { packed in
        team.forEach(division.tasks, work: rows * columns * depth / 8) { task, thread in
          let (part, panel) = (task / division.panels, task % division.panels)
          let (some, members) = (division.rows(part, of: rows), division.columns(panel, of: columns))
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
      let division = division(rows: rows, columns: columns)
      let (kind, rounds, scratchBytes, scratch) = (kind, rounds, scratchBytes, scratch.base)
      let gated = gate == nil ? nil : gated.reserving(team.count * rows * division.width)
      operand.withPacked { packed in
        team.forEach(division.tasks, work: rows * columns * depth / (gate == nil ? 8 : 4)) { task, thread in
          let (part, panel) = (task / division.panels, task % division.panels)
          let (some, members) = (division.rows(part, of: rows), division.columns(panel, of: columns))
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
      let width: Int
      let panels: Int
      let height: Int
      let tasks: Int

      func columns(_ panel: Int, of all: Int) -> Range<Int> { panel * width..<min(all, (panel + 1) * width) }
      func rows(_ part: Int, of all: Int) -> Range<Int> { part * height..<min(all, (part + 1) * height) }
    }

    private func division(rows: Int, columns: Int, isBackward: Bool = false) -> Division {
      let tile = Int(headimpact_product_tile_columns(kind))
      func rounded(_ width: Int) -> Int { (width + tile - 1) / tile * tile }
      let width: Int
      if !isBackward, rows <= headimpact_product_few_rows(kind) {
        width = rounded(max(Self.fewestColumns, columns / (Self.tasksAThread * team.count)))
      } else {
        let fewest = (columns + Self.panelColumns - 1) / Self.panelColumns
        let wanted = (fewest + team.count - 1) / team.count * team.count
        width = min(Self.panelColumns, rounded((columns + wanted - 1) / wanted))
      }
      let panels = (columns + width - 1) / width
      let tileRows = tileRows(of: rows)
      let tiles = (rows + tileRows - 1) / tileRows
      let parts = min(tiles, max(1, team.count / panels))
      let height = (tiles + parts - 1) / parts * tileRows
      return Division(width: width, panels: panels, height: height, tasks: panels * ((rows + height - 1) / height))
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
