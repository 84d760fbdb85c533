import Foundation
import Safetensors

/// Values that tools/goldens computed with other people's software: a `golden.safetensors`, found beside the tests
/// that use it.
public struct Goldens: Sendable {
  public let folder: URL
  private let file: SafetensorsFile

  /// - Parameters:
  ///   - path: the folder, counted from `Tests/<the calling test's target>/Goldens`.
  ///   - name: the file's name.
  ///   - testFile: leave it to the compiler.
  public init(_ path: String, name: String = "golden.safetensors", testFile: String = #filePath) throws {
    folder = Self.root(testFile: testFile).appendingPathComponent(path)
    file = try SafetensorsFile(contentsOf: folder.appendingPathComponent(name))
  }

  /// `Tests/<the calling test's target>/Goldens`.
  public static func root(testFile: String = #filePath) -> URL {
    URL(fileURLWithPath: testFile).deletingLastPathComponent().appendingPathComponent("Goldens")
  }

  /// Every tensor's name, in byte order.
  public var names: [String] { file.tensors.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

  public var metadata: [String: String] { file.metadata }

  public func shape(_ name: String) throws -> [Int] { try tensor(name).shape }

  /// A floating-point tensor's values, row-major.
  public func floats(_ name: String) throws -> [Float] { try tensor(name).floats() }

  /// A float64 tensor's values, row-major.
  public func doubles(_ name: String) throws -> [Double] {
    let tensor = try tensor(name)
    guard tensor.dtype == .f64 else { return try tensor.floats().map(Double.init) }
    return tensor.elements(as: Double.self)
  }

  /// A whole-number or boolean tensor's values, row-major.
  public func integers(_ name: String) throws -> [Int] {
    let tensor = try tensor(name)
    switch tensor.dtype {
    case .i64: return tensor.elements(as: Int64.self).map { Int($0) }
    case .i32: return tensor.elements(as: Int32.self).map { Int($0) }
    case .i16: return tensor.elements(as: Int16.self).map { Int($0) }
    case .i8: return tensor.elements(as: Int8.self).map { Int($0) }
    case .u8, .bool: return tensor.elements(as: UInt8.self).map { Int($0) }
    default: throw GoldenError(description: "\(folder.path): \(name) is \(tensor.dtype.rawValue), not whole numbers")
    }
  }

  private func tensor(_ name: String) throws -> TensorView {
    guard let tensor = file.tensors[name] else {
      throw GoldenError(description: "\(file.file.url.path): holds no '\(name)'; it holds \(names)")
    }
    return tensor
  }
}

/// A golden file doesn't hold what a test asks of it.
public struct GoldenError: Error, CustomStringConvertible {
  public let description: String
}

extension TensorView {
  /// The elements as they lie in the file.
  public func elements<Element: BitwiseCopyable>(as type: Element.Type) -> [Element] {
    precondition(MemoryLayout<Element>.size == dtype.byteCount)
    return withBytes { bytes in
      (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self) }
    }
  }

  /// The elements of a floating-point tensor as float32.
  public func floats() throws -> [Float] {
    switch dtype {
    case .f32: elements(as: Float.self)
    case .f64: elements(as: Double.self).map { Float($0) }
    case .bf16: elements(as: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    case .f16: elements(as: UInt16.self).map(widenedHalf)
    default: throw GoldenError(description: "\(file.url.path): \(name) is \(dtype.rawValue), not floating-point")
    }
  }
}

/// An IEEE half as float32; `Float16` itself is missing from Swift on some processors.
private func widenedHalf(_ bits: UInt16) -> Float {
  let sign: Float = bits & 0x8000 == 0 ? 1 : -1
  let exponent = Int(bits >> 10 & 0x1F)
  let fraction = Float(bits & 0x3FF) / 1024
  switch exponent {
  case 0: return sign * fraction * Float(sign: .plus, exponent: -14, significand: 1)
  case 31: return fraction == 0 ? sign * .infinity : .nan
  default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction)
  }
}
