/// Resizes as Pillow's `image.resize((width, height), Image.BICUBIC)` does, to the last bit.
///
/// Two passes in 8 bits, one along the rows and one down the columns, with fixed-point weights; the filter widens
/// when the picture shrinks. The first rounds, so their order counts: it is Pillow 13's, which goes down
/// the columns first where the height shrinks much more than the width. Earlier ones always begin with the rows.
///
/// - Throws: `ImageError` for a size that no picture may have.
public func resizeBicubic(_ image: RGBImage, to size: (width: Int, height: Int)) throws -> RGBImage {
  try checkImageSize(width: size.width, height: size.height)
  let heightLost = image.height - size.height
  let columnsFirst = heightLost > 0 && heightLost > 2 * (image.width - size.width)
  // Between the passes the picture has one new side and one old.
  try checkImageSize(
    width: columnsFirst ? image.width : size.width, height: columnsFirst ? size.height : image.height)
  var pixels = image.pixels
  if columnsFirst {
    pixels = resizeColumns(pixels, columns: image.width, from: image.height, to: size.height)
  }
  pixels = resizeRows(pixels, rows: columnsFirst ? size.height : image.height, from: image.width, to: size.width)
  if !columnsFirst {
    pixels = resizeColumns(pixels, columns: size.width, from: image.height, to: size.height)
  }
  return RGBImage(width: size.width, height: size.height, pixels: pixels)
}

/// Along one axis: which input pixels make up each output pixel, and with which weights.
private struct ResamplingWeights {
  /// Fractional bits: 32, less 8 for a pixel and 2 for sums beyond its range.
  static let precision = 32 - 8 - 2

  /// The first input pixel of each output pixel, and how many follow.
  private(set) var spans: [(first: Int, count: Int)] = []
  /// - Shape: [output pixels, taps]; beyond a span's count, unused.
  private(set) var weights: [Int32] = []
  let taps: Int

  init(from inputs: Int, to outputs: Int) {
    let scale = Double(inputs) / Double(outputs)
    let filterScale = max(scale, 1)
    let support = 2 * filterScale
    taps = Int(support.rounded(.up)) * 2 + 1
    weights.reserveCapacity(taps * outputs)
    spans.reserveCapacity(outputs)
    var row = [Double](repeating: 0, count: taps)
    for output in 0..<outputs {
      let centre = (Double(output) + 0.5) * scale
      let inverse = 1 / filterScale
      let first = max(0, Int(centre - support + 0.5))
      let count = min(inputs, Int(centre + support + 0.5)) - first
      var sum = 0.0
      for tap in 0..<count {
        row[tap] = bicubic((Double(tap + first) - centre + 0.5) * inverse)
        sum += row[tap]
      }
      for tap in 0..<taps {
        let weight = tap >= count ? 0 : sum == 0 ? row[tap] : row[tap] / sum
        let fixed = weight * Double(1 << Self.precision)
        weights.append(Int32(weight < 0 ? fixed - 0.5 : fixed + 0.5))
      }
      spans.append((first, count))
    }
  }
}

/// Keys' cubic with a = -0.5, in the order of operations that Pillow has.
private func bicubic(_ offset: Double) -> Double {
  let a = -0.5
  let x = abs(offset)
  if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
  if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
  return 0
}

private let half = Int32(1) << (ResamplingWeights.precision - 1)

@inline(__always)
private func clipped(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> ResamplingWeights.precision) }

private func resizeRows(_ pixels: [UInt8], rows: Int, from columns: Int, to outputs: Int) -> [UInt8] {
  guard columns != outputs else { return pixels }
  let weights = ResamplingWeights(from: columns, to: outputs)
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

private func resizeColumns(_ pixels: [UInt8], columns: Int, from rows: Int, to outputs: Int) -> [UInt8] {
  guard rows != outputs else { return pixels }
  let weights = ResamplingWeights(from: rows, to: outputs)
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
