/// Decodes to what Pillow makes of the file: palette applied, alpha dropped.
func decodeBMP(_ bytes: [UInt8]) throws -> [UInt8] {
  let header = try BMPHeader(bytes)
  switch header.coding {
  case .runs(let bits): return try decodeRuns(bytes, header, bits: bits)
  case .indices(let bits):
    return try decodeRows(bytes, header, bitsAPixel: bits) { row, x in
      let index = Int(bytes[row + x * bits / 8]) >> (8 - bits - x * bits % 8) & (1 << bits - 1)
      return (header.palette[3 * index], header.palette[3 * index + 1], header.palette[3 * index + 2])
    }
  case .bytes(let size, let blue, let green, let red):
    return try decodeRows(bytes, header, bitsAPixel: 8 * size) { row, x in
      let at = row + size * x
      return (bytes[at + red], bytes[at + green], bytes[at + blue])
    }
  case .packed(let greenBits):
    return try decodeRows(bytes, header, bitsAPixel: 16) { row, x in
      let pixel = Int(bytes[row + 2 * x]) | Int(bytes[row + 2 * x + 1]) << 8
      let (red, green) = (pixel >> (5 + greenBits) & 31, pixel >> 5 & (1 << greenBits - 1))
      return (UInt8(red * 255 / 31), UInt8(green * 255 / (1 << greenBits - 1)), UInt8(pixel & 31 * 255 / 31))
    }
  }
}

private func decodeRows(
  _ bytes: [UInt8], _ header: BMPHeader, bitsAPixel: Int, pixel: (_ row: Int, _ x: Int) -> (UInt8, UInt8, UInt8)
) throws -> [UInt8] {
  let (width, height) = (header.width, header.height)
  let needed = (width * bitsAPixel + 7) / 8
  // Rows are filled up to four bytes; of the last one, that part may be missing.
  let stride = (width * bitsAPixel + 31) / 32 * 4
  guard header.start <= bytes.count, (height - 1) * stride + needed <= bytes.count - header.start else {
    throw ImageError(
      problem: "the BMP data is cut off: \(width) x \(height) pixels take \((height - 1) * stride + needed) bytes, and "
        + "\(max(0, bytes.count - header.start)) are there")
  }
  var pixels = [UInt8](repeating: 0, count: 3 * width * height)
  for y in 0..<height {
    let row = header.start + (header.isTopDown ? y : height - 1 - y) * stride
    var at = 3 * y * width
    for x in 0..<width {
      (pixels[at], pixels[at + 1], pixels[at + 2]) = pixel(row, x)
      at += 3
    }
  }
  return pixels
}

/// Runs of indices (RLE8, RLE4), by Pillow's rules: what a run has beyond its row is dropped, and a file that ends
/// early is refused.
private func decodeRuns(_ bytes: [UInt8], _ header: BMPHeader, bits: Int) throws -> [UInt8] {
  let (width, height) = (header.width, header.height)
  var reader = RunReader(bytes: bytes, at: header.start, width: width, count: width * height, isPacked: bits == 4)
  let indices = reader.read()
  guard indices.count >= width * height else {
    throw ImageError(
      problem: "the BMP data is cut off: \(indices.count) pixels of \(width) x \(height) are there")
  }
  var pixels = [UInt8](repeating: 0, count: 3 * width * height)
  for y in 0..<height {
    let row = (header.isTopDown ? y : height - 1 - y) * width
    for x in 0..<width {
      let index = Int(indices[row + x])
      for channel in 0..<3 { pixels[3 * (y * width + x) + channel] = header.palette[3 * index + channel] }
    }
  }
  return pixels
}

private struct RunReader {
  let bytes: [UInt8]
  var at: Int
  let width: Int
  /// How many pixels there are.
  let count: Int
  /// Two pixels a byte.
  let isPacked: Bool
  private var indices: [UInt8] = []
  private var x = 0

  init(bytes: [UInt8], at: Int, width: Int, count: Int, isPacked: Bool) {
    (self.bytes, self.at, self.width, self.count, self.isPacked) = (bytes, at, width, count, isPacked)
  }

  /// The indices in the file's order, which may be too few.
  mutating func read() -> [UInt8] {
    while indices.count < count, at + 1 < bytes.count {
      let (length, value) = (Int(bytes[at]), bytes[at + 1])
      at += 2
      if length > 0 {
        repeating(value, Swift.min(length, Swift.max(0, width - x)))
      } else if value == 0 {
        indices.append(contentsOf: repeatElement(0, count: (width - indices.count % width) % width))
        x = 0
      } else if value == 1 {
        break
      } else if value == 2 {
        guard at + 1 < bytes.count else { break }
        skip(Int(bytes[at]) + Int(bytes[at + 1]) * width)
      } else if !copy(Int(value)) {
        break
      }
    }
    return indices
  }

  private mutating func repeating(_ value: UInt8, _ length: Int) {
    for index in 0..<length {
      indices.append(!isPacked ? value : index % 2 == 0 ? value >> 4 : value & 15)
    }
    x += length
  }

  private mutating func skip(_ length: Int) {
    at += 2
    indices.append(contentsOf: repeatElement(0, count: Swift.min(count - indices.count, length)))
    x = indices.count % width
  }

  /// - Returns: false if the file ends within, or the picture is full.
  private mutating func copy(_ stated: Int) -> Bool {
    let length = Swift.min(count - indices.count, stated)
    let size = isPacked ? (length + 1) / 2 : length
    guard at + size <= bytes.count else { return false }
    for index in 0..<length {
      indices.append(
        !isPacked ? bytes[at + index] : index % 2 == 0 ? bytes[at + index / 2] >> 4 : bytes[at + index / 2] & 15)
    }
    at += size
    if indices.count == count { return false }
    x += stated
    if at % 2 != 0 { at += 1 }
    return true
  }
}
