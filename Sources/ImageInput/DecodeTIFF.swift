import CImageCodecs

/// The largest piece of memory that decoding asks for beside the picture itself.
private let memoryLimit = 1 << 29

/// Decodes the first picture to what Pillow makes of it: palette applied, alpha dropped. It isn't turned yet.
func decodeTIFF(_ bytes: [UInt8]) throws -> [UInt8] {
  let header = try TIFFHeader(bytes)
  try checkImageSize(width: header.width, height: header.height)
  let rows = try TIFFRows(header)
  return try bytes.withUnsafeBufferPointer { source in
    var (tiff, layout): (OpaquePointer?, ci_tiff_layout) = (nil, ci_tiff_layout())
    guard ci_tiff_open(source.baseAddress, source.count, memoryLimit, &tiff, &layout) == CI_OK, let tiff else {
      throw ImageError(problem: "the TIFF file is corrupt: \(text(layout.message))")
    }
    defer { ci_tiff_close(tiff) }
    guard layout.width == header.width, layout.height == header.height, (layout.is_separate != 0) == header.isSeparate
    else { throw ImageError(problem: "the TIFF file contradicts itself about its size or planes") }
    var decoder = TIFFDecoder(tiff: tiff, layout: layout, rows: rows, isSeparate: header.isSeparate)
    return try decoder.decode()
  }
}

private struct TIFFDecoder {
  let tiff: OpaquePointer
  let layout: ci_tiff_layout
  let rows: TIFFRows
  let isSeparate: Bool
  let width: Int
  let height: Int
  private var pixels: [UInt8] = []

  init(tiff: OpaquePointer, layout: ci_tiff_layout, rows: TIFFRows, isSeparate: Bool) {
    (self.tiff, self.layout, self.rows, self.isSeparate) = (tiff, layout, rows, isSeparate)
    (width, height) = (Int(layout.width), Int(layout.height))
  }

  mutating func decode() throws -> [UInt8] {
    if case .chroma(let isJPEG) = rows.samples, !isJPEG || isSeparate {
      try decodeChroma()
    } else if isSeparate && rows.samplesAPixel > 1 {
      try decodePlanes()
    } else {
      try checkPieces(bitsAPixel: rows.bitsAPixel)
      allocate()
      try forEachPiece(plane: 0) { decoder, x, y, count, row in
        let start = 3 * (y * decoder.width + x)
        let rows = decoder.rows
        decoder.pixels.withUnsafeMutableBufferPointer {
          rows.convert(row, width: count, to: UnsafeMutableBufferPointer(rebasing: $0[start..<start + 3 * count]))
        }
      }
    }
    return pixels
  }

  private mutating func allocate() { pixels = [UInt8](repeating: 0, count: 3 * width * height) }

  /// Whether libtiff's pieces are of the size that the directory's numbers give, before memory is taken for them.
  private func checkPieces(bitsAPixel: Int) throws {
    if layout.is_tiled != 0 {
      let (tileWidth, tileHeight) = (Int(layout.tile_width), Int(layout.tile_height))
      try checkImageSize(width: tileWidth, height: tileHeight)
      guard layout.tile_row_bytes == (tileWidth * bitsAPixel + 7) / 8,
        layout.tile_bytes == layout.tile_row_bytes * tileHeight
      else { throw contradiction }
      // A tile is hardly ever much larger than its picture.
      guard layout.tile_bytes <= memoryLimit, layout.tile_bytes <= max(1 << 24, 4 * width * height * bitsAPixel / 8)
      else {
        throw ImageError(
          problem: "a TIFF file of \(width) x \(height) pixels in tiles of \(tileWidth) x \(tileHeight) isn't read")
      }
    } else {
      guard layout.row_bytes == (width * bitsAPixel + 7) / 8, layout.row_bytes <= memoryLimit else {
        throw contradiction
      }
    }
  }

  private var contradiction: ImageError {
    ImageError(problem: "the TIFF file contradicts itself about the size of its samples")
  }

  private var failure: ImageError {
    let message = String(cString: ci_tiff_message(tiff))
    return ImageError(
      problem: "the TIFF data is corrupt or cut off: \(message.isEmpty ? "libtiff gives no reason" : message)")
  }

  /// Calls `body` with each part of a row of a plane: where it begins, how many pixels it has, and their samples.
  private mutating func forEachPiece(
    plane: Int, _ body: (inout TIFFDecoder, _ x: Int, _ y: Int, _ count: Int, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard layout.is_tiled != 0 else {
      var row = [UInt8](repeating: 0, count: layout.row_bytes)
      for y in 0..<height {
        guard ci_tiff_row(tiff, UInt32(y), UInt16(plane), &row, row.count) == CI_OK else { throw failure }
        try row.withUnsafeBytes { try body(&self, 0, y, width, $0) }
      }
      return
    }
    let (tileWidth, tileHeight, rowBytes) = (Int(layout.tile_width), Int(layout.tile_height), layout.tile_row_bytes)
    var tile = [UInt8](repeating: 0, count: layout.tile_bytes)
    for top in stride(from: 0, to: height, by: tileHeight) {
      for left in stride(from: 0, to: width, by: tileWidth) {
        guard ci_tiff_tile(tiff, UInt32(left), UInt32(top), UInt16(plane), &tile, tile.count) == CI_OK else {
          throw failure
        }
        let count = min(tileWidth, width - left)
        try tile.withUnsafeBytes { tile in
          for y in top..<min(top + tileHeight, height) {
            let start = (y - top) * rowBytes
            try body(&self, left, y, count, UnsafeRawBufferPointer(rebasing: tile[start..<start + rowBytes]))
          }
        }
      }
    }
  }

  /// Planes of red, green and blue, or of inks, of which black comes last and darkens what is there.
  private mutating func decodePlanes() throws {
    let (samples, bits): (Int, Int)
    switch rows.samples {
    case .rgb(_, let stated, false): (samples, bits) = (3, stated)
    case .cmyk(_, let stated): (samples, bits) = (4, stated)
    default: throw ImageError(problem: "a TIFF file of these samples in planes isn't supported")
    }
    try checkPieces(bitsAPixel: bits)
    allocate()
    for plane in 0..<samples {
      try forEachPiece(plane: plane) { decoder, x, y, count, row in
        let start = 3 * (y * decoder.width + x)
        for index in 0..<count {
          let value = TIFFRows.high(row, index, bits)
          if plane < 3 {
            decoder.pixels[start + 3 * index + plane] = value
          } else {
            for at in start + 3 * index..<start + 3 * index + 3 {
              decoder.pixels[at] = light(ink: decoder.pixels[at], white: 255 - value)
            }
          }
        }
      }
    }
  }

  /// Strips or tiles that libtiff converts to red, green, blue and alpha, from bottom to top.
  private mutating func decodeChroma() throws {
    let isTiled = layout.is_tiled != 0
    let (pieceWidth, pieceHeight) =
      isTiled
      ? (Int(layout.tile_width), Int(layout.tile_height)) : (width, min(height, max(1, Int(layout.rows_per_strip))))
    try checkImageSize(width: pieceWidth, height: pieceHeight)
    guard 4 * pieceWidth * pieceHeight <= memoryLimit else {
      throw ImageError(problem: "a TIFF file of YCbCr in pieces of \(pieceWidth) x \(pieceHeight) pixels isn't read")
    }
    allocate()
    var piece = [UInt32](repeating: 0, count: pieceWidth * pieceHeight)
    for top in stride(from: 0, to: height, by: pieceHeight) {
      for left in stride(from: 0, to: width, by: pieceWidth) {
        guard ci_tiff_rgba(tiff, UInt32(left), UInt32(top), &piece, piece.count) == CI_OK else { throw failure }
        let rowCount = min(pieceHeight, height - top)
        let count = min(pieceWidth, width - left)
        for y in 0..<rowCount {
          let from = ((isTiled ? pieceHeight : rowCount) - 1 - y) * pieceWidth
          for x in 0..<count {
            for channel in 0..<3 {
              pixels[3 * ((top + y) * width + left + x) + channel] = UInt8(
                truncatingIfNeeded: piece[from + x] >> UInt32(8 * channel))
            }
          }
        }
      }
    }
  }
}
