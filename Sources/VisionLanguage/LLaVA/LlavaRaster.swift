import HeadImpact

/// What LLaVA-NeXT and LLaVA-OneVision make of an image beside the whole of it: a canvas of tiles, whose patches are one
/// raster; its padding is cut off again, and it may be sampled to fewer rows and columns (transformers:
/// `select_best_resolution`, `get_patch_output_size`, `unpad_image`, `pack_image_features`).
struct LlavaRaster: Equatable {
  /// - Units: pixels.
  struct Size: Sendable, Equatable {
    let width: Int
    let height: Int
  }

  /// How many patches of the tiles become how many tokens.
  struct Side: Equatable {
    /// Patches cut off at the beginning, and at the end; they show padding.
    let cut: Int
    let kept: Int
    /// Tokens; fewer than `kept` where the raster is sampled.
    var tokens: Int
  }

  /// The original image's.
  let image: Size
  let canvas: Size
  /// Of the image in the canvas.
  let resized: Size
  /// Where the image begins in the canvas. - Units: pixels.
  let left: Int
  let top: Int
  let rows: Side
  let columns: Side

  private let tile: Int
  private let patch: Int

  /// - Parameters:
  ///   - pinpoints: the canvases to choose from, of whole tiles.
  ///   - tile: the side of a tile, and of its patches. - Units: pixels.
  ///   - mostTiles: a raster of more patches than those of about so many tiles is sampled; nil for never.
  init(of image: Size, pinpoints: [Size], tile: Int, patch: Int, mostTiles: Int?) {
    self.image = image
    (self.tile, self.patch) = (tile, patch)
    let canvas = Self.best(of: pinpoints, for: image)
    let across = Double(canvas.width) / Double(image.width)
    let down = Double(canvas.height) / Double(image.height)
    resized =
      across < down
      ? Size(width: canvas.width, height: min(Int((Double(image.height) * across).rounded(.up)), canvas.height))
      : Size(width: min(Int((Double(image.width) * down).rounded(.up)), canvas.width), height: canvas.height)
    (left, top) = ((canvas.width - resized.width) / 2, (canvas.height - resized.height) / 2)
    self.canvas = canvas

    let side = tile / patch
    let (height, width) = (side * (canvas.height / tile), side * (canvas.width / tile))
    var (cutRows, cutColumns) = (0, 0)
    if Double(image.width) / Double(image.height) > Double(width) / Double(height) {
      cutRows = (height - Self.whole(Double(image.height) * (Double(width) / Double(image.width)))) / 2
    } else {
      cutColumns = (width - Self.whole(Double(image.width) * (Double(height) / Double(image.height)))) / 2
    }
    var rows = Side(cut: cutRows, kept: height - 2 * cutRows, tokens: height - 2 * cutRows)
    var columns = Side(cut: cutColumns, kept: width - 2 * cutColumns, tokens: width - 2 * cutColumns)
    if let mostTiles {
      let ratio = (Double(rows.kept * columns.kept) / Double(mostTiles * side * side)).squareRoot()
      if ratio > 1.1 {
        rows.tokens = Self.quotient(rows.kept, ratio)
        columns.tokens = Self.quotient(columns.kept, ratio)
      }
    }
    (self.rows, self.columns) = (rows, columns)
  }

  var tiles: Int { (canvas.width / tile) * (canvas.height / tile) }
  var isSampled: Bool { rows.tokens != rows.kept || columns.tokens != columns.kept }

  /// The canvas that shows most of the image's pixels; of those that show as many, the one that wastes the fewest.
  private static func best(of pinpoints: [Size], for image: Size) -> Size {
    var best = pinpoints[0]
    var (shown, wasted) = (0, Int.max)
    for canvas in pinpoints {
      let scale = min(Double(canvas.width) / Double(image.width), Double(canvas.height) / Double(image.height))
      let effective = min(
        Int(Double(image.width) * scale) * Int(Double(image.height) * scale), image.width * image.height)
      let waste = canvas.width * canvas.height - effective
      if effective > shown || (effective == shown && waste < wasted) {
        (best, shown, wasted) = (canvas, effective, waste)
      }
    }
    return best
  }

  /// Python's `int(round(x, 7))`.
  private static func whole(_ x: Double) -> Int { Int((x * 1e7).rounded(.toNearestOrEven) / 1e7) }

  /// Python's `int(x // ratio)`: of the exact quotient, not of the rounded one.
  private static func quotient(_ x: Int, _ ratio: Double) -> Int {
    let rest = Double(x).truncatingRemainder(dividingBy: ratio)
    return Int(((Double(x) - rest) / ratio).rounded())
  }
}

// MARK: - Where the tokens come from

extension LlavaRaster {
  /// The rectangles of the image that the tokens of a row or column of the raster show.
  ///
  /// - Returns: where each token begins and ends in the image. - Units: pixels.
  private func edges(_ side: Side, offset: Int, resized: Int, image: Int) -> [(from: Double, to: Double)] {
    let patches = Double(tile / patch)
    /// A tile's last pixels may be in no patch: the start of a tile is not the end of the one before.
    func place(_ fraction: Double, isEnd: Bool) -> Double {
      let at = Double(side.cut) + fraction * Double(side.kept)
      let number = isEnd ? (at / patches - 1e-9).rounded(.up) - 1 : (at / patches + 1e-9).rounded(.down)
      let pixel = number * Double(tile) + (at - number * patches) * Double(patch)
      return min(max((pixel - Double(offset)) * Double(image) / Double(resized), 0), Double(image))
    }
    let count = Double(side.tokens)
    return (0..<side.tokens).map { index in
      (place(Double(index) / count, isEnd: false), place(Double(index + 1) / count, isEnd: true))
    }
  }

  /// The cells of the raster's tokens, row by row; nil for the newline behind each row.
  var cells: [Cell?] {
    let across = edges(columns, offset: left, resized: resized.width, image: image.width)
    return edges(rows, offset: top, resized: resized.height, image: image.height).flatMap { down -> [Cell?] in
      across.map { Cell(x0: $0.from, y0: down.from, x1: $0.to, y1: down.to) } + [nil]
    }
  }

  /// The row of a patch among those of all tiles, tile by tile and row by row in each.
  private func patchIndex(row: Int, column: Int) -> Int {
    let side = tile / patch
    let number = row / side * (canvas.width / tile) + column / side
    return (number * side + row % side) * side + column % side
  }

  /// Which patches make up each token of a row, and with which weights: one, or four by bilinear sampling, corners not aligned
  /// (torch: `interpolate(mode="bilinear")`).
  ///
  /// - Parameter first: the index of the tiles' first patch.
  /// - Returns: `taps` indices and weights for each token of each row.
  func mixtures(first: Int) -> [(indices: [Int], weights: [Float])] {
    let (down, across) = (taps(rows), taps(columns))
    return down.map { row in
      var (indices, weights): ([Int], [Float]) = ([], [])
      for column in across {
        for (i, rowShare) in row {
          for (j, columnShare) in column {
            indices.append(first + patchIndex(row: rows.cut + i, column: columns.cut + j))
            weights.append(rowShare * columnShare)
          }
        }
      }
      return (indices, weights)
    }
  }

  /// Patches of a token.
  var taps: Int { isSampled ? 4 : 1 }

  /// The kept patches that a token is made of, each with its share.
  private func taps(_ side: Side) -> [[(patch: Int, share: Float)]] {
    guard isSampled else { return (0..<side.kept).map { [($0, 1)] } }
    let scale = Float(side.kept) / Float(side.tokens)
    return (0..<side.tokens).map { token in
      let at = max((Float(token) + 0.5) * scale - 0.5, 0)
      let first = min(Int(at), side.kept - 1)
      let share = at - Float(first)
      return [(first, 1 - share), (min(first + 1, side.kept - 1), share)]
    }
  }
}
