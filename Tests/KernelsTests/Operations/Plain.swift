import Kernels

/// The same arithmetic, plainly and in float64: what the kernels are held against.
enum Plain {
  static func product(_ x: [Float], _ w: [Float], rows: Int, columns: Int, depth: Int) -> [Double] {
    var y = [Double](repeating: 0, count: rows * columns)
    for r in 0..<rows {
      for c in 0..<columns {
        var sum = 0.0
        for k in 0..<depth { sum += Double(x[r * depth + k]) * Double(w[c * depth + k]) }
        y[r * columns + c] = sum
      }
    }
    return y
  }

  /// As `CMatrixProduct` defines a product: blocks of 256 terms, each fused to the sum before it.
  static func blockedProduct(_ x: [Float], _ w: [Float], rows: Int, columns: Int, depth: Int) -> [Float] {
    var y = [Float](repeating: 0, count: rows * columns)
    for r in 0..<rows {
      for c in 0..<columns {
        for start in stride(from: 0, to: depth, by: 256) {
          var sum: Float = 0
          for k in start..<min(depth, start + 256) { sum.addProduct(x[r * depth + k], w[c * depth + k]) }
          y[r * columns + c] = start == 0 ? sum : y[r * columns + c] + sum
        }
      }
    }
    return y
  }

  static func bfloat16(_ x: Float) -> UInt16 {
    let bits = x.bitPattern
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }

  static func float(_ x: UInt16) -> Float { Float(bitPattern: UInt32(x) << 16) }
}

/// Numbers in [-1, 1), the same in every run.
struct Numbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
  }

  mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

/// Weights in memory of their own, for tests.
///
/// `@unchecked Sendable` invariant: nobody writes the memory after `init`.
final class OwnedWeights: @unchecked Sendable {
  private let allocation: UnsafeMutableRawPointer
  let base: UnsafeMutableRawPointer
  let matrix: (OwnedWeights) -> Tensor

  /// - Parameter shift: bytes behind an aligned address, as in a file that doesn't align its tensors.
  init(_ values: [Float], rows: Int, columns: Int, as elementType: ElementType, shift: Int = 0) {
    allocation = UnsafeMutableRawPointer.allocate(byteCount: values.count * 4 + shift, alignment: 64)
    let base = allocation + shift
    self.base = base
    for (i, value) in values.enumerated() {
      switch elementType {
      case .f32: Self.store(value.bitPattern, base + 4 * i)
      case .bf16: Self.store(Plain.bfloat16(value), base + 2 * i)
      case .f16: Self.store(Self.half(value), base + 2 * i)
      }
    }
    matrix = { Tensor(owner: $0, base: base, elementType: elementType, rows: rows, columns: columns) }
  }

  deinit { allocation.deallocate() }

  var weight: Tensor { matrix(self) }

  private static func store<T>(_ value: T, _ to: UnsafeMutableRawPointer) {
    withUnsafeBytes(of: value) { bytes in
      if let from = bytes.baseAddress { to.copyMemory(from: from, byteCount: bytes.count) }
    }
  }

  /// To half precision by truncation, for values whose exponent it has.
  private static func half(_ x: Float) -> UInt16 {
    let bits = x.bitPattern
    let exponent = Int(bits >> 23 & 0xff) - 127 + 15
    guard exponent > 0 else { return UInt16(bits >> 16 & 0x8000) }
    return UInt16(bits >> 16 & 0x8000) | UInt16(exponent) << 10 | UInt16(bits >> 13 & 0x3ff)
  }
}

func largestDifference(_ a: [Float], _ b: [Double]) -> Double {
  zip(a, b).map { abs(Double($0) - $1) }.max() ?? .infinity
}
