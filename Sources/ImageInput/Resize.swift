/// Resizes as Pillow's `image.resize((width, height), filter)` does, to the last bit.
///
/// Bilinear, bicubic and Lanczos: two passes in 8 bits, one along the rows and one down the columns, with fixed-point
/// weights; the filter widens when the picture shrinks. The first pass rounds, so their order counts: it is Pillow 13's,
/// which goes down the columns first where the height shrinks much more than the width. Earlier ones always begin with
/// the rows.
///
/// - Throws: `ImageError` for a size that no picture may have.
public func resize(
  _ image: RGBImage, to size: (width: Int, height: Int), filter: ResamplingFilter
) throws -> RGBImage {
  try checkImageSize(width: size.width, height: size.height)
  guard filter != .nearest else { return nearest(image, to: size) }
  let heightLost = image.height - size.height
  let columnsFirst = heightLost > 0 && heightLost > 2 * (image.width - size.width)
  // Between the passes the picture has one new side and one old.
  try checkImageSize(
    width: columnsFirst ? image.width : size.width, height: columnsFirst ? size.height : image.height)
  var pixels = image.pixels
  if columnsFirst {
    pixels = resizeColumns(pixels, columns: image.width, from: image.height, to: size.height, filter)
  }
  pixels = resizeRows(
    pixels, rows: columnsFirst ? size.height : image.height, from: image.width, to: size.width, filter)
  if !columnsFirst {
    pixels = resizeColumns(pixels, columns: size.width, from: image.height, to: size.height, filter)
  }
  return RGBImage(width: size.width, height: size.height, pixels: pixels)
}

private func nearest(_ image: RGBImage, to size: (width: Int, height: Int)) -> RGBImage {
  let columns = nearestPixels(from: image.width, to: size.width).map { $0 * 3 }
  let rows = nearestPixels(from: image.height, to: size.height)
  let pixels = [UInt8](unsafeUninitializedCapacity: size.width * size.height * 3) { result, count in
    image.pixels.withUnsafeBufferPointer { pixels in
      var at = 0
      for row in rows {
        let start = row * image.width * 3
        for column in columns {
          for channel in 0..<3 { result[at + channel] = pixels[start + column + channel] }
          at += 3
        }
      }
    }
    count = result.count
  }
  return RGBImage(width: size.width, height: size.height, pixels: pixels)
}

/// The input pixel of each output pixel. Pillow steps from centre to centre by adding, which rounds otherwise than a
/// multiplication.
private func nearestPixels(from inputs: Int, to outputs: Int) -> [Int] {
  let step = Double(inputs) / Double(outputs)
  var at = step * 0.5
  return (0..<outputs).map { _ in
    defer { at += step }
    return min(Int(at), inputs - 1)
  }
}

private let half = Int32(1) << (ResamplingWeights.precision - 1)

@inline(__always)
private func clipped(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> ResamplingWeights.precision) }

private func resizeRows(
  _ pixels: [UInt8], rows: Int, from columns: Int, to outputs: Int, _ filter: ResamplingFilter
) -> [UInt8] {
  guard columns != outputs else { return pixels }
  let weights = ResamplingWeights(filter, from: columns, to: outputs)
  return [UInt8](unsafeUninitializedCapacity: rows * outputs * 3) { result, count in
    pixels.withUnsafeBufferPointer { pixels in
      weights.weights.withUnsafeBufferPointer { taps in
        var at = 0
        for row in 0..<rows {
          for (output, span) in weights.spans.enumerated() {
            var (red, green, blue) = (half, half, half)
            var from = (row * columns + span.first) * 3
            let firstTap = output * weights.taps
            for tap in firstTap..<firstTap + span.count {
              let weight = taps[tap]
              red &+= Int32(pixels[from]) &* weight
              green &+= Int32(pixels[from + 1]) &* weight
              blue &+= Int32(pixels[from + 2]) &* weight
              from += 3
            }
            result[at] = clipped(red)
            result[at + 1] = clipped(green)
            result[at + 2] = clipped(blue)
            at += 3
          }
        }
      }
    }
    count = result.count
  }
}

private func resizeColumns(
  _ pixels: [UInt8], columns: Int, from rows: Int, to outputs: Int, _ filter: ResamplingFilter
) -> [UInt8] {
  guard rows != outputs else { return pixels }
  let weights = ResamplingWeights(filter, from: rows, to: outputs)
  let valuesInRow = columns * 3
  return [UInt8](unsafeUninitializedCapacity: outputs * valuesInRow) { result, count in
    var sums = [Int32](repeating: 0, count: valuesInRow)
    pixels.withUnsafeBufferPointer { pixels in
      sums.withUnsafeMutableBufferPointer { sums in
        for (output, span) in weights.spans.enumerated() {
          sums.update(repeating: half)
          for tap in 0..<span.count {
            let weight = weights.weights[output * weights.taps + tap]
            let from = (span.first + tap) * valuesInRow
            for at in 0..<valuesInRow { sums[at] &+= Int32(pixels[from + at]) &* weight }
          }
          for at in 0..<valuesInRow { result[output * valuesInRow + at] = clipped(sums[at]) }
        }
      }
    }
    count = result.count
  }
}
