import Kernels

/// What is added to a vision tower's rows for where they stand in their view.
public enum PositionEmbedding {
  /// Where a row stands: a patch of a grid.
  public struct Place: Sendable, Equatable {
    public let row: Int
    public let column: Int
    /// The grid of its view.
    public let rows: Int
    public let columns: Int

    public init(row: Int, column: Int, rows: Int, columns: Int) {
      (self.row, self.column, self.rows, self.columns) = (row, column, rows, columns)
    }
  }

  /// Nothing: the rotary embedding alone tells rows apart.
  case none
  /// A row of the table for each patch of a view, all of whose patches it has, in raster order. A class token (CLIP, InternViT)
  /// has the first row, if the table has one row more.
  ///
  /// - Shape: [n, C], of any element type.
  case learned(Tensor)
  /// A table of side × side positions, sampled bilinearly, its corners at the view's corners (Qwen3-VL,
  /// `fast_pos_embed_interpolate`).
  ///
  /// - Shape: [side · side, C].
  case interpolated(Tensor, side: Int)

  /// hidden += the positions' rows.
  ///
  /// - Shape: hidden [places.count, C].
  /// - Parameter places: of each row; nil for a class token.
  public func add(to hidden: Tensor, places: [Place?], scratch: ScratchTensor, on backend: any Backend) {
    precondition(places.count == hidden.rows)
    let added = scratch.reserving(rows: hidden.rows, columns: hidden.columns, on: backend)
    switch self {
    case .none: return
    case .learned(let table):
      let rows = places.map { place -> Int in
        guard let place else { return 0 }
        let extra = table.rows - place.rows * place.columns
        precondition(
          extra == 0 || extra == 1, "a view has \(place.rows) × \(place.columns) patches, the table \(table.rows)")
        return extra + place.row * place.columns + place.column
      }
      backend.gather(table, rows, into: added)
    case .interpolated(let table, let side):
      var (indices, weights): ([Int], [Float]) = ([], [])
      for place in places {
        guard let place else { preconditionFailure("a class token has no place to sample the table at") }
        let (y, x) = (Self.tap(place.row, of: place.rows, side), Self.tap(place.column, of: place.columns, side))
        for (row, share) in [(y.first, 1 - y.share), (y.second, y.share)] {
          indices += [row * side + x.first, row * side + x.second]
          weights += [share * (1 - x.share), share * x.share]
        }
      }
      backend.mixRows(table, indices: indices, weights: weights, taps: 4, into: added)
    }
    backend.add(added, to: hidden)
  }

  /// The two entries of a table's side nearest to place i of n, and the second one's share.
  private static func tap(_ i: Int, of n: Int, _ side: Int) -> (first: Int, second: Int, share: Float) {
    let at = n > 1 ? Float(i) * Float(side - 1) / Float(n - 1) : 0
    let first = min(Int(at), side - 1)
    return (first, min(first + 1, side - 1), at - Float(first))
  }
}
