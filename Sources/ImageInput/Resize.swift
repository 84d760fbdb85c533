/// Whose resize a picture goes through, to the last bit. Hugging Face transformers 5 takes torchvision's where that is
/// installed, else Pillow's.
public enum Resizing: String, CaseIterable, Sendable, Codable {
  /// `torchvision.transforms.v2.functional.resize` of 8-bit tensors on a CPU with AVX2 (torch 2.13, `antialias=True`).
  case torchvision
  /// `Image.resize` of Pillow 13.
  case pillow
}

/// Resizes as torchvision's or Pillow's resize does, to the last bit.
///
/// Bilinear, bicubic and Lanczos: two passes in 8 bits, one along the rows and one down the columns, with fixed-point
/// weights; the filter widens when the picture shrinks. The first pass rounds, so their order counts. torchvision and
/// Pillow before 13 begin with the rows; Pillow 13 goes down the columns first where the height shrinks much more than
/// the width. torchvision's weights have 16 bits, Pillow's 32.
///
/// - Throws: `ImageError` for a size that no picture may have.
public func resize(
  _ image: RGBImage, to size: (width: Int, height: Int), filter: ResamplingFilter, as resizing: Resizing
) throws -> RGBImage {
  try checkImageSize(width: size.width, height: size.height)
  guard filter != .nearest else { return nearest(image, to: size, as: resizing) }
  let heightLost = image.height - size.height
  let columnsFirst = resizing == .pillow && heightLost > 0 && heightLost > 2 * (image.width - size.width)
  // Between the passes the picture has one new side and one old.
  try checkImageSize(
    width: columnsFirst ? image.width : size.width, height: columnsFirst ? size.height : image.height)
  func rows(_ pixels: [UInt8], count: Int) -> [UInt8] {
    guard image.width != size.width else { return pixels }
    return resizeRows(pixels, rows: count, ResamplingWeights(filter, from: image.width, to: size.width, as: resizing))
  }
  func columns(_ pixels: [UInt8], count: Int) -> [UInt8] {
    guard image.height != size.height else { return pixels }
    return resizeColumns(
      pixels, columns: count, ResamplingWeights(filter, from: image.height, to: size.height, as: resizing))
  }
  return RGBImage(
    width: size.width, height: size.height,
    pixels: columnsFirst
      ? rows(columns(image.pixels, count: image.width), count: size.height)
      : columns(rows(image.pixels, count: image.height), count: size.width))
}

private func nearest(
  _ image: RGBImage, to size: (width: Int, height: Int), as resizing: Resizing
) -> RGBImage {
  let columns = nearestPixels(from: image.width, to: size.width, as: resizing).map { $0 * 3 }
  let rows = nearestPixels(from: image.height, to: size.height, as: resizing)
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

/// The input pixel of each output pixel. torchvision multiplies in single precision; Pillow steps from centre to centre
/// by adding, which rounds otherwise than a multiplication.
private func nearestPixels(from inputs: Int, to outputs: Int, as resizing: Resizing) -> [Int] {
  switch resizing {
  case .torchvision:
    let step = Float(inputs) / Float(outputs)
    return (0..<outputs).map { min(Int((Float($0) + 0.5) * step), inputs - 1) }
  case .pillow:
    let step = Double(inputs) / Double(outputs)
    var at = step * 0.5
    return (0..<outputs).map { _ in
      defer { at += step }
      return min(Int(at), inputs - 1)
    }
  }
}

private func resizeRows(
  _ pixels: [UInt8], rows: Int, _ weights: ResamplingWeights
) -> [UInt8] {
  let (columns, outputs) = (weights.inputs, weights.spans.count)
  return [UInt8](unsafeUninitializedCapacity: rows * outputs * 3) { result, count in
    pixels.withUnsafeBufferPointer { pixels in
      weights.weights.withUnsafeBufferPointer { taps in
        var at = 0
        for row in 0..<rows {
          for (output, span) in weights.spans.enumerated() {
            var (red, green, blue) = (weights.half, weights.half, weights.half)
            var from = (row * columns + span.first) * 3
            let firstTap = output * weights.taps
            for tap in firstTap..<firstTap + span.count {
              let weight = taps[tap]
              red &+= Int32(pixels[from]) &* weight
              green &+= Int32(pixels[from + 1]) &* weight
              blue &+= Int32(pixels[from + 2]) &* weight
              from += 3
            }
            result[at] = weights.rounded(red)
            result[at + 1] = weights.rounded(green)
            result[at + 2] = weights.rounded(blue)
            at += 3
          }
        }
      }
    }
    count = result.count
  }
}

private func resizeColumns(
  _ pixels: [UInt8], columns: Int, _ weights: ResamplingWeights
) -> [UInt8] {
  let (valuesInRow, outputs) = (columns * 3, weights.spans.count)
  return [UInt8](unsafeUninitializedCapacity: outputs * valuesInRow) { result, count in
    var sums = [Int32](repeating: 0, count: valuesInRow)
    pixels.withUnsafeBufferPointer { pixels in
      sums.withUnsafeMutableBufferPointer { sums in
        for (output, span) in weights.spans.enumerated() {
          sums.update(repeating: weights.half)
          for tap in 0..<span.count {
            let weight = weights.weights[output * weights.taps + tap]
            let from = (span.first + tap) * valuesInRow
            for at in 0..<valuesInRow { sums[at] &+= Int32(pixels[from + at]) &* weight }
          }
          for at in 0..<valuesInRow { result[output * valuesInRow + at] = weights.rounded(sums[at]) }
        }
      }
    }
    count = result.count
  }
}
