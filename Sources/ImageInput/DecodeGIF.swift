import CImageCodecs

/// A GIF file that is open at its first picture's data. It must not outlive the bytes.
private struct GIFReader {
  let gif: OpaquePointer
  let frame: ci_gif_frame
  /// The screen, which the picture may reach beyond: then Pillow enlarges it.
  let width: Int
  let height: Int

  init(_ bytes: UnsafeBufferPointer<UInt8>) throws {
    var (gif, frame): (OpaquePointer?, ci_gif_frame) = (nil, ci_gif_frame())
    let code = ci_gif_open(bytes.baseAddress, bytes.count, &gif, &frame)
    if code == CI_ENDS_EARLY { throw HeaderEndsEarly() }
    guard code == CI_OK, let gif else { throw ImageError(problem: "the GIF file is corrupt: \(text(frame.message))") }
    self.gif = gif
    self.frame = frame
    width = Int(max(frame.screen_width, frame.left + frame.width))
    height = Int(max(frame.screen_height, frame.top + frame.height))
  }

  func close() { ci_gif_close(gif) }
}

/// - Throws: `HeaderEndsEarly`, or `ImageError`.
func gifSize(_ bytes: [UInt8]) throws -> (width: Int, height: Int) {
  try bytes.withUnsafeBufferPointer { bytes in
    let reader = try GIFReader(bytes)
    reader.close()
    return (reader.width, reader.height)
  }
}

/// Decodes the first picture; what of the screen it doesn't cover has the transparent colour, or else the palette's first, as
/// in Pillow.
func decodeGIF(_ bytes: [UInt8]) throws -> [UInt8] {
  try bytes.withUnsafeBufferPointer { bytes in
    let reader = try GIFReader(bytes)
    defer { reader.close() }
    try checkImageSize(width: reader.width, height: reader.height)
    return try pixels(reader)
  }
}

private func pixels(_ reader: GIFReader) throws -> [UInt8] {
  let frame = reader.frame
  let palette = palette(frame)
  let (width, height) = (Int(frame.width), Int(frame.height))
  var pixels = [UInt8](repeating: 0, count: 3 * reader.width * reader.height)
  let outside = Int(UInt8(truncatingIfNeeded: max(0, frame.transparent)))
  if palette[3 * outside..<3 * outside + 3] != [0, 0, 0], (width, height) != (reader.width, reader.height) {
    let colour = palette[3 * outside..<3 * outside + 3]
    let line = (0..<reader.width).flatMap { _ in colour }
    for y in 0..<reader.height { pixels.replaceSubrange(y * line.count..<(y + 1) * line.count, with: line) }
  }
  guard width > 0, height > 0 else { return pixels }
  var row = [UInt8](repeating: 0, count: width)
  var message = ci_gif_frame()
  for y in rows(height, isInterlaced: frame.is_interlaced != 0) {
    let code = row.withUnsafeMutableBufferPointer { row in
      withUnsafeMutableBytes(of: &message.message) {
        ci_gif_row(reader.gif, row.baseAddress, frame.width, $0.assumingMemoryBound(to: CChar.self).baseAddress)
      }
    }
    guard code == CI_OK else {
      throw ImageError(problem: "the GIF data is corrupt or cut off: \(text(message.message))")
    }
    let start = 3 * ((Int(frame.top) + y) * reader.width + Int(frame.left))
    for x in 0..<width {
      for channel in 0..<3 { pixels[start + 3 * x + channel] = palette[3 * Int(row[x]) + channel] }
    }
  }
  return pixels
}

/// The order in which rows are stored.
private func rows(_ height: Int, isInterlaced: Bool) -> [Int] {
  guard isInterlaced else { return Array(0..<height) }
  return [(0, 8), (4, 8), (2, 4), (1, 2)].flatMap { Array(stride(from: $0, to: height, by: $1)) }
}

/// Where there is no palette, or one of nothing but its own numbers, Pillow takes the numbers for greys.
private func palette(_ frame: ci_gif_frame) -> [UInt8] {
  let greys = (0..<256).flatMap { [UInt8](repeating: UInt8($0), count: 3) }
  let stored = withUnsafeBytes(of: frame.palette) { [UInt8]($0.prefix(3 * Int(frame.colors))) }
  if stored.elementsEqual(greys.prefix(stored.count)) { return greys }
  return stored + [UInt8](repeating: 0, count: greys.count - stored.count)
}
