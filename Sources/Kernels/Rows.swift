import CVectorMath

/// Row kernels: each runs over the rows of a matrix on every thread of the team.
extension ComputeContext {
  /// out = x / sqrt(mean(x²) + eps) · weight, row by row.
  ///
  /// - Shape: x, out [rows, C], weight [C].
  public func rmsNorm(
    _ x: UnsafePointer<Float>, weight: [Float], eps: Float, into out: UnsafeMutablePointer<Float>, rows: Int
  ) {
    let columns = weight.count
    weight.withUnsafeBufferPointer { weight in
      guard let weight = weight.baseAddress else { return }
      team.forEachRange(of: rows, work: rows * columns * 4) { range in
        for row in range { headimpact_rms_norm(x + row * columns, weight, eps, out + row * columns, columns) }
      }
    }
  }

  /// out = (x - mean) / sqrt(variance + eps) · weight + bias, row by row.
  ///
  /// - Shape: x, out [rows, C], weight, bias [C].
  public func layerNorm(
    _ x: UnsafePointer<Float>, weight: [Float], bias: [Float], eps: Float, into out: UnsafeMutablePointer<Float>,
    rows: Int
  ) {
    let columns = weight.count
    precondition(bias.count == columns)
    weight.withUnsafeBufferPointer { weight in
      bias.withUnsafeBufferPointer { bias in
        guard let weight = weight.baseAddress, let bias = bias.baseAddress else { return }
        team.forEachRange(of: rows, work: rows * columns * 4) { range in
          for row in range {
            headimpact_layer_norm(x + row * columns, weight, bias, eps, out + row * columns, columns)
          }
        }
      }
    }
  }

  /// Applies an activation function in place, row by row.
  ///
  /// - Shape: x [rows, columns].
  public func activate(_ activation: Activation, _ x: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    team.forEachRange(of: rows, work: rows * columns * 4) { range in
      let start = x + range.lowerBound * columns
      switch activation {
      case .quickGELU: headimpact_quick_gelu(start, range.count * columns)
      case .gelu: headimpact_gelu(start, range.count * columns)
      }
    }
  }

  /// out = silu(gate) · up; out may be gate.
  ///
  /// - Shape: gate, up, out [rows, columns].
  public func siluMultiply(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, rows: Int,
    columns: Int
  ) {
    team.forEachRange(of: rows, work: rows * columns * 4) { range in
      let start = range.lowerBound * columns
      headimpact_silu_multiply(gate + start, up + start, out + start, range.count * columns)
    }
  }

  /// Rotary position embedding of the first half of each head's dimensions against the second, in place.
  ///
  /// - Shape: x [rows, heads · D], cosines and sines [rows, D / 2].
  public func rotate(
    _ x: UnsafeMutablePointer<Float>, by angles: RotaryAngles, from firstRow: Int = 0, rows: Int, heads: Int
  ) {
    let half = angles.half
    precondition(firstRow + rows <= angles.rows)
    angles.cosines.withUnsafeBufferPointer { cosines in
      angles.sines.withUnsafeBufferPointer { sines in
        guard let cosines = cosines.baseAddress, let sines = sines.baseAddress else { return }
        team.forEachRange(of: rows, work: rows * heads * half * 4) { range in
          for row in range {
            let at = (firstRow + row) * half
            for head in 0..<heads {
              headimpact_rotate_half(x + (row * heads + head) * 2 * half, cosines + at, sines + at, half)
            }
          }
        }
      }
    }
  }
}

/// The activation functions between two linear layers, by their Hugging Face names.
public enum Activation: String, Sendable {
  case quickGELU = "quick_gelu"
  case gelu
}

/// Cosines and sines of the rotary angles of each row's position.
///
/// - Shape: [rows, half], half of the head dimension.
public struct RotaryAngles: Sendable {
  public private(set) var cosines: [Float]
  public private(set) var sines: [Float]
  public let half: Int

  public var rows: Int { cosines.count / half }

  public init(cosines: [Float], sines: [Float], half: Int) {
    precondition(half > 0 && cosines.count == sines.count && cosines.count % half == 0)
    self.cosines = cosines
    self.sines = sines
    self.half = half
  }
  /// Some consecutive rows.
  public func rows(_ range: Range<Int>) -> RotaryAngles {
    RotaryAngles(
      cosines: Array(cosines[range.lowerBound * half..<range.upperBound * half]),
      sines: Array(sines[range.lowerBound * half..<range.upperBound * half]), half: half)
  }

  /// Some rows, in the order given.
  public func rows(_ indices: [Int]) -> RotaryAngles {
    RotaryAngles(
      cosines: indices.flatMap { cosines[$0 * half..<($0 + 1) * half] },
      sines: indices.flatMap { sines[$0 * half..<($0 + 1) * half] }, half: half)
  }

  /// The way back: the angles of the opposite sign.
  var reversed: RotaryAngles { RotaryAngles(cosines: cosines, sines: sines.map { -$0 }, half: half) }

  /// Adds the rows of `other` behind these.
  public mutating func append(_ other: RotaryAngles) {
    precondition(other.half == half)
    cosines += other.cosines
    sines += other.sines
  }
}
