/// What a measure would be by chance: its mean over every cyclic shift of the mask, each view over its own grid of
/// cells.
///
/// IoU rises with the size of the object; the mask moved elsewhere has the same size and shape, but no object under it.
///
/// All views shift together by (dy, dx), dy up to the most rows of any, dx up to the most columns. A row of the mask is
/// a few runs of tokens, and a head's overlap with a run is a difference of two prefix sums along the grid's row.
/// For a run moved by dx = 0, 1, 2, … those differences lie next to each other in memory: one pass of vector additions.
/// All token sets are exact integer counts.
struct Chance {
  private let views: [View]
  /// Shifts tried: `rows * cols` of them.
  private let rows: Int
  private let cols: Int
  private let maskCount: Int

  private struct View {
    let grid: ViewGrid
    let start: Int
    let runs: [Run]
  }

  /// Tokens `cols` of row `row` of a view are in the mask.
  private struct Run {
    let row: Int
    let cols: Range<Int>
  }

  /// - Parameter views: of positive size, together as many cells as the mask has tokens.
  init(of mask: TokenMask, views: [ViewGrid]) {
    precondition(views.reduce(0) { $0 + $1.rows * $1.cols } == mask.isObject.count)
    rows = views.map(\.rows).max() ?? 0
    cols = views.map(\.cols).max() ?? 0
    maskCount = mask.count
    var start = 0
    var list: [View] = []
    for grid in views {
      var runs: [Run] = []
      for row in 0..<grid.rows {
        let first = start + row * grid.cols
        var x = 0
        while x < grid.cols {
          let from = x
          while x < grid.cols, mask.isObject[first + x] { x += 1 }
          if x > from { runs.append(Run(row: row, cols: from..<x)) } else { x += 1 }
        }
      }
      list.append(View(grid: grid, start: start, runs: runs))
      start += grid.rows * grid.cols
    }
    self.views = list
  }

  /// Buffers reused for one head after another.
  struct Scratch {
    var sets: [UInt64] = []
    var relative: [Double] = []
    var setPrefixes: [UInt64] = []
    var relativePrefixes: [Double] = []
  }

  /// The mean of each measure over all shifts. - Returns: [measure]
  /// - Complexity: O(shifts * runs of the mask + V)
  func values(_ head: HeadAttention, _ scratch: inout Scratch) -> [Double] {
    addOverlaps(head, &scratch)
    var sums = [Double](repeating: 0, count: Measure.allCases.count)
    for shift in 0..<(rows * cols) {
      let shared = MaskOverlap(
        tokens: TokenSetCounts(word: scratch.sets[shift]), relative: scratch.relative[shift])
      for (i, measure) in Measure.allCases.enumerated() {
        sums[i] += measure.headImpact(head, sharing: shared, maskCount: maskCount)
      }
    }
    return sums.map { $0 / Double(rows * cols) }
  }

  /// Fills `scratch.sets` and `scratch.relative` with the overlap at every shift. - Shape: [rows, cols]
  private func addOverlaps(_ head: HeadAttention, _ scratch: inout Scratch) {
    scratch.sets = [UInt64](repeating: 0, count: rows * cols)
    scratch.relative = [Double](repeating: 0, count: rows * cols)
    for view in views where !view.runs.isEmpty {
      // The row is repeated until the furthest shift of its last run has been written.
      let stride = view.grid.cols + cols
      scratch.setPrefixes = [UInt64](repeating: 0, count: view.grid.rows * stride)
      scratch.relativePrefixes = [Double](repeating: 0, count: view.grid.rows * stride)
      for row in 0..<view.grid.rows {
        let first = view.start + row * view.grid.cols
        var x = 0
        for i in (row * stride + 1)..<((row + 1) * stride) {
          scratch.setPrefixes[i] = scratch.setPrefixes[i - 1] &+ head.sets[first + x]
          scratch.relativePrefixes[i] = scratch.relativePrefixes[i - 1] + head.relative[first + x]
          x = x + 1 == view.grid.cols ? 0 : x + 1
        }
      }
      scratch.setPrefixes.withUnsafeBufferPointer { setPrefixes in
        scratch.relativePrefixes.withUnsafeBufferPointer { relativePrefixes in
          scratch.sets.withUnsafeMutableBufferPointer { sets in
            scratch.relative.withUnsafeMutableBufferPointer { relative in
              for dy in 0..<rows {
                for run in view.runs {
                  let row = (run.row + dy) % view.grid.rows * stride
                  let from = row + run.cols.lowerBound
                  let to = row + run.cols.upperBound
                  for dx in 0..<cols {
                    sets[dy * cols + dx] &+= setPrefixes[to + dx] &- setPrefixes[from + dx]
                    relative[dy * cols + dx] += relativePrefixes[to + dx] - relativePrefixes[from + dx]
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
