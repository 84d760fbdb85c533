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
  let inputs: Int
  /// The first input pixel of each output pixel, and how many follow.
  private(set) var spans: [(first: Int, count: Int)] = []
  /// - Shape: [output pixels, taps]; beyond a span's count, unused.
  private(set) var weights: [Int32] = []
  let taps: Int
  /// Fractional bits of the weights.
  let precision: Int
  /// What rounds a sum to the nearest pixel.
  let half: Int32

  init(_ filter: ResamplingFilter, from inputs: Int, to outputs: Int, as resizing: Resizing) {
    self.inputs = inputs
    let scale = Double(inputs) / Double(outputs)
    let filterScale = max(scale, 1)
    let support = filter.support * filterScale
    taps = Int(support.rounded(.up)) * 2 + 1
    spans.reserveCapacity(outputs)
    var shares: [Double] = []
    shares.reserveCapacity(taps * outputs)
    for output in 0..<outputs {
      let centre = (Double(output) + 0.5) * scale
      let inverse = 1 / filterScale
      let first = max(0, Int(centre - support + 0.5))
      let count = min(min(inputs, Int(centre + support + 0.5)) - first, taps)
      let start = shares.count
      var sum = 0.0
      for tap in 0..<count {
        let share = filter.weight(at: (Double(tap + first) - centre + 0.5) * inverse)
        shares.append(share)
        sum += share
      }
      if sum != 0 { for at in start..<shares.count { shares[at] /= sum } }
      shares.append(contentsOf: repeatElement(0, count: taps - count))
      spans.append((first, count))
    }
    precision = Self.precision(resizing, largest: shares.max() ?? 0)
    half = precision == 0 ? 0 : 1 << (precision - 1)
    let one = Double(1 << precision)
    weights = shares.map { Int32($0 < 0 ? $0 * one - 0.5 : $0 * one + 0.5) }
  }

  /// Pillow leaves of 32 bits 8 to a pixel and 2 to sums beyond its range; torchvision takes as many bits as let the largest
  /// weight be a number of 16.
  private static func precision(_ resizing: Resizing, largest: Double) -> Int {
    switch resizing {
    case .pillow: 32 - 8 - 2
    case .torchvision: (0..<22).first { Int(0.5 + largest * Double(1 << ($0 + 1))) >= 1 << 15 } ?? 22
    }
  }

  @inline(__always)
  func rounded(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> Int32(precision)) }
}
