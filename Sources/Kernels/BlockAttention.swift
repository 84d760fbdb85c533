#if arch(x86_64)
  import CMatrixProduct
  import CVectorMath

  extension MatrixProduct {
    /// Attention by this kind of products, whose operands are rounded as those of others are.
    ///
    /// Keys and values are packed once for the rows of a task; no row depends on which rows these are.
    func attend(
      queries: Tensor, keys: Tensor, values: Tensor, into output: Tensor, blocks: [Range<Int>], shape: AttentionShape,
      scratch: inout AlignedBuffer<Float>
    ) {
      let problem = BlockAttention(
        kind: kind, rounds: rounds, queries: queries.floatBase, keys: keys.floatBase, values: values.floatBase,
        output: output.floatBase, shape: shape)
      let pieces = problem.pieces(of: blocks.filter { !$0.isEmpty }, threads: team.count)
      let largest = pieces.map { BlockAttention.Scratch(kind, $0, shape).count }.max() ?? 0
      scratch.reserve(team.count * largest)
      let scratch = scratch.base
      let work = pieces.reduce(0) { $0 + $1.rows.count * $1.block.count * shape.queryWidth / 4 }
      team.forEach(pieces.count * shape.heads, work: work) { task, thread in
        problem.compute(pieces[task / shape.heads], head: task % shape.heads, scratch + thread * largest)
      }
    }
  }

  /// Attention where the rows of a block see one another, for all heads.
  private struct BlockAttention {
    let kind: headimpact_product_kind
    let rounds: Bool
    let queries: UnsafePointer<Float>
    let keys: UnsafePointer<Float>
    let values: UnsafePointer<Float>
    let output: UnsafeMutablePointer<Float>
    let shape: AttentionShape

    /// Some rows of a block.
    struct Piece {
      let block: Range<Int>
      let rows: Range<Int>
    }

    /// As few pieces of each block as all threads share evenly.
    func pieces(of blocks: [Range<Int>], threads: Int) -> [Piece] {
      let most = max(1, (blocks.map(\.count).max() ?? 0) / Scratch.mostRows)
      let parts = (1...most).first {
        let tasks = blocks.count * shape.heads * $0
        return tasks.isMultiple(of: threads) || tasks >= 4 * threads
      }
      return blocks.flatMap { block in
        let height = (block.count + (parts ?? most) - 1) / (parts ?? most)
        return stride(from: block.lowerBound, to: block.upperBound, by: height).map {
          Piece(block: block, rows: $0..<min($0 + height, block.upperBound))
        }
      }
    }

    func compute(_ piece: Piece, head: Int, _ memory: UnsafeMutablePointer<Float>) {
      let scratch = Scratch(kind, piece, shape)
      let (positions, depth) = (Int64(piece.block.count), Int64(shape.headDim))
      let group =
        head / (shape.heads / shape.keyValueHeads) * shape.headDim + piece.block.lowerBound * shape.keyValueWidth
      headimpact_product_pack_right(
        kind, matrix(keys + group, stride: shape.keyValueWidth, across: true), positions, depth, memory + scratch.keys)
      headimpact_product_pack_right(
        kind, matrix(values + group, stride: shape.keyValueWidth, across: false), depth, positions,
        memory + scratch.values)
      let weights = memory + scratch.weights
      for first in stride(from: piece.rows.lowerBound, to: piece.rows.upperBound, by: scratch.rowsAtOnce) {
        let rows = min(scratch.rowsAtOnce, piece.rows.upperBound - first)
        let offset = first * shape.queryWidth + head * shape.headDim
        pack(queries + offset, stride: shape.queryWidth, rows: rows, depth: shape.headDim, into: memory + scratch.left)
        headimpact_product_run_packed(
          kind, memory + scratch.left, Int64(rows), depth, memory + scratch.keys, positions, weights,
          Int64(scratch.distance))
        for row in 0..<rows { shape.softmax(weights + row * scratch.distance, piece.block.count) }
        pack(weights, stride: scratch.distance, rows: rows, depth: piece.block.count, into: memory + scratch.left)
        headimpact_product_run_packed(
          kind, memory + scratch.left, Int64(rows), positions, memory + scratch.values, depth, output + offset,
          Int64(shape.queryWidth))
      }
    }

    private func matrix(_ base: UnsafePointer<Float>, stride: Int, across: Bool) -> headimpact_matrix {
      headimpact_matrix(
        base: base, stride: Int64(stride), element: headimpact_float32, across: across ? 1 : 0, rounds: rounds ? 1 : 0)
    }

    private func pack(
      _ base: UnsafePointer<Float>, stride: Int, rows: Int, depth: Int, into packed: UnsafeMutablePointer<Float>
    ) {
      headimpact_product_pack(
        kind, matrix(base, stride: stride, across: true), Int64(rows), Int64(depth), 0, Int64(rows), packed)
    }

    /// Where things lie in a thread's scratch, in floats.
    struct Scratch {
      /// A whole number of tiles of AVX-512.
      static let mostRows = 112
      let distance: Int
      let rowsAtOnce: Int
      let keys = 0
      let values: Int
      /// Queries, then weights.
      let left: Int
      let weights: Int
      let count: Int

      init(_ kind: headimpact_product_kind, _ piece: Piece, _ shape: AttentionShape) {
        func lines(bytes: Int64) -> Int { (Int(bytes) + 63) / 64 * 16 }
        let (positions, depth) = (Int64(piece.block.count), Int64(shape.headDim))
        let tile = Int(headimpact_product_tile_rows(kind, Int64(Self.mostRows)))
        let rows = AttentionRows(
          positions: piece.block.count, step: tile, most: Self.mostRows, rows: piece.rows.count)
        (distance, rowsAtOnce) = (rows.distance, rows.atOnce)
        values = lines(bytes: headimpact_product_packed_right_bytes(kind, positions, depth))
        left = values + lines(bytes: headimpact_product_packed_right_bytes(kind, depth, positions))
        weights =
          left + lines(bytes: headimpact_product_packed_bytes(kind, Int64(rowsAtOnce), max(positions, depth)))
        count = weights + rowsAtOnce * distance
      }
    }
  }
#endif
