/// Pillow's bicubic resampling of 8-bit images (its Resample.c): two passes, first along rows, then along columns, each
/// with weights in fixed point, so that every pixel equals Pillow's.
extension RGBImage {
  /// - Parameters: the new size, at least 1 each.
  public func resizedBicubic(width newWidth: Int, height newHeight: Int) -> RGBImage {
    precondition(newWidth > 0 && newHeight > 0)
    var pixels = self.pixels
    // Pillow skips a pass that changes nothing.
    if newWidth != width {
      pixels = resample(pixels, outer: height, inner: 1, from: ResamplingWeights(from: width, to: newWidth))
    }
    if newHeight != height {
      pixels = resample(pixels, outer: 1, inner: newWidth, from: ResamplingWeights(from: height, to: newHeight))
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: pixels)
  }

  /// Resamples the middle axis.
  ///
  /// - Shape: pixels [outer, old, inner, 3] to [outer, new, inner, 3].
  private func resample(_ pixels: [UInt8], outer: Int, inner: Int, from weights: ResamplingWeights) -> [UInt8] {
    let rowBytes = inner * 3
    let half = Int32(1) << (ResamplingWeights.precisionBits - 1)
    return [UInt8](unsafeUninitializedCapacity: outer * weights.newCount * rowBytes) { output, count in
      count = outer * weights.newCount * rowBytes
      pixels.withUnsafeBufferPointer { pixels in
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: rowBytes) { sums in
          for block in 0..<outer {
            for target in 0..<weights.newCount {
              for i in 0..<rowBytes { sums[i] = half }
              let window = weights.windows[target]
              for (place, source) in window.enumerated() {
                let weight = weights.values[target * weights.support + place]
                let start = (block * weights.oldCount + source) * rowBytes
                for i in 0..<rowBytes { sums[i] &+= Int32(pixels[start + i]) &* weight }
              }
              let start = (block * weights.newCount + target) * rowBytes
              for i in 0..<rowBytes {
                output[start + i] = UInt8(clamping: sums[i] >> Int32(ResamplingWeights.precisionBits))
              }
            }
          }
        }
      }
    }
  }
}

/// For each new pixel the old ones it is made of, and their weights in fixed point.
private struct ResamplingWeights {
  static let precisionBits = 32 - 8 - 2

  let oldCount: Int
  let newCount: Int
  let windows: [Range<Int>]
  /// The most old pixels that one new pixel is made of.
  let support: Int
  /// - Shape: [newCount, support].
  let values: [Int32]

  init(from oldCount: Int, to newCount: Int) {
    self.oldCount = oldCount
    self.newCount = newCount
    let scale = Double(oldCount) / Double(newCount)
    // Shrinking widens the filter, so that every old pixel counts.
    let filterScale = max(scale, 1)
    let reach = 2 * filterScale
    support = Int(reach.rounded(.up)) * 2 + 1
    var windows: [Range<Int>] = []
    var values = [Int32](repeating: 0, count: newCount * support)
    for target in 0..<newCount {
      let centre = (Double(target) + 0.5) * scale
      let first = max(0, Int(centre - reach + 0.5))
      let end = min(oldCount, Int(centre + reach + 0.5))
      let weights = (first..<end).map { Self.bicubic((Double($0) - centre + 0.5) * (1 / filterScale)) }
      let total = weights.reduce(0, +)
      for (place, weight) in weights.enumerated() {
        let share = total != 0 ? weight * (1 / total) : weight
        let fixed = share * Double(1 << Self.precisionBits)
        values[target * support + place] = Int32(fixed < 0 ? fixed - 0.5 : fixed + 0.5)
      }
      windows.append(first..<end)
    }
    self.windows = windows
    self.values = values
  }

  /// Keys' cubic with a = -0.5.
  private static func bicubic(_ distance: Double) -> Double {
    let a = -0.5
    let x = abs(distance)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }
}
