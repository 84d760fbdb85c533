import Foundation

/// How a resized picture's pixels are made of the original's. The raw values are Pillow's, which `resample` in
/// preprocessor_config.json holds.
public enum ResamplingFilter: Int, Sendable, CaseIterable {
  case nearest = 0
  /// The sinc function, windowed by its own main lobe to three pixels on each side.
  case lanczos = 1
  case bilinear = 2
  /// Keys' cubic with a = -0.5.
  case bicubic = 3

  /// How far the filter reaches on each side, in pixels of the smaller of the two pictures.
  var support: Double {
    switch self {
    case .nearest: 0.5
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  /// The filter's value, in the order of operations that Pillow has.
  ///
  /// - Parameter offset: the distance from the centre, in pixels of the smaller of the two pictures.
  func weight(at offset: Double) -> Double {
    switch self {
    case .nearest: return abs(offset) < 0.5 ? 1 : 0
    case .bilinear: return max(1 - abs(offset), 0)
    case .bicubic:
      let a = -0.5
      let x = abs(offset)
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    case .lanczos:
      return offset >= -3 && offset < 3 ? sinc(offset) * sinc(offset / 3) : 0
    }
  }
}

private func sinc(_ x: Double) -> Double {
  guard x != 0 else { return 1 }
  let angle = x * Double.pi
  return sin(angle) / angle
}

/// Along one axis: which input pixels make up each output pixel, and with which fixed-point weights.
struct ResamplingWeights {
  /// Fractional bits: 32, less 8 for a pixel and 2 for sums beyond its range.
  static let precision = 32 - 8 - 2

  /// The first input pixel of each output pixel, and how many follow.
  private(set) var spans: [(first: Int, count: Int)] = []
  /// - Shape: [output pixels, taps]; beyond a span's count, unused.
  private(set) var weights: [Int32] = []
  let taps: Int

  init(_ filter: ResamplingFilter, from inputs: Int, to outputs: Int) {
    let scale = Double(inputs) / Double(outputs)
    let filterScale = max(scale, 1)
    let support = filter.support * filterScale
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
        row[tap] = filter.weight(at: (Double(tap + first) - centre + 0.5) * inverse)
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
