import ImageInput

extension PatchBatch {
  /// The patches of views, row by row in each; pixels at the right and bottom that fill none are dropped.
  ///
  /// - Parameter patchSize: the side of a patch. - Units: pixels.
  init(views: [RGBImage], patchSize: Int, normalization: PixelNormalization) {
    let cutter = PatchCutter(patchSize: patchSize, tables: normalization.tables())
    let grids = views.map { PatchGrid(rows: $0.height / patchSize, columns: $0.width / patchSize) }
    let total = grids.reduce(0) { $0 + $1.count } * cutter.width
    self.init(
      pixelValues: [Float](unsafeUninitializedCapacity: total) { result, count in
        for (view, grid) in zip(views, grids) {
          let size = grid.count * cutter.width
          cutter.cut(
            view, order: grid.rasterOrder, into: UnsafeMutableBufferPointer(rebasing: result[count..<count + size]))
          count += size
        }
      }, grids: grids)
  }
}

extension PatchGrid {
  /// All patches, row by row.
  var rasterOrder: [(row: Int, column: Int)] { order(inBlocksOf: 1) }

  /// All patches, block by block; the blocks, and the patches in each, row by row.
  func order(inBlocksOf side: Int) -> [(row: Int, column: Int)] {
    var order: [(row: Int, column: Int)] = []
    order.reserveCapacity(count)
    for blockRow in stride(from: 0, to: rows, by: side) {
      for blockColumn in stride(from: 0, to: columns, by: side) {
        for row in blockRow..<min(blockRow + side, rows) {
          for column in blockColumn..<min(blockColumn + side, columns) { order.append((row, column)) }
        }
      }
    }
    return order
  }
}

/// Cuts images into patches: each becomes a row of numbers, a convolution's kernel being a row of its weight.
struct PatchCutter {
  /// - Units: pixels.
  let patchSize: Int
  /// How often a still image is repeated in time.
  var frames = 1
  let tables: [[Float]]

  /// Numbers of a patch.
  var width: Int { 3 * frames * patchSize * patchSize }

  /// - Parameters:
  ///   - order: of the patches; pixels right of and below them are dropped.
  ///   - result: takes [order.count, width] from its beginning on.
  func cut(_ image: RGBImage, order: [(row: Int, column: Int)], into result: UnsafeMutableBufferPointer<Float>) {
    let plane = patchSize * patchSize
    var at = 0
    image.pixels.withUnsafeBufferPointer { pixels in
      for (row, column) in order {
        for channel in 0..<3 {
          let values = tables[channel]
          let start = at
          for y in row * patchSize..<(row + 1) * patchSize {
            var from = (y * image.width + column * patchSize) * 3 + channel
            for _ in 0..<patchSize {
              result[at] = values[Int(pixels[from])]
              at += 1
              from += 3
            }
          }
          for _ in 1..<frames {
            for offset in 0..<plane { result[at + offset] = result[start + offset] }
            at += plane
          }
        }
      }
    }
  }
}
