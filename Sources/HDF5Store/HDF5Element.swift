internal import CHDF5

/// What the elements of a dataset are.
public enum HDF5ElementType: Sendable, Equatable, CustomStringConvertible {
  case float32, float64, int32, int64, uint8, string
  /// A type that this module doesn't read directly.
  case other(String)

  public var description: String {
    switch self {
    case .float32: "float32"
    case .float64: "float64"
    case .int32: "int32"
    case .int64: "int64"
    case .uint8: "uint8"
    case .string: "string"
    case .other(let name): name
    }
  }
}

/// A number that datasets hold.
public protocol HDF5Element: BitwiseCopyable, Sendable {
  static var elementType: HDF5ElementType { get }
  /// The value memory is given before it is read into.
  static var zero: Self { get }
}

extension Float: HDF5Element { public static var elementType: HDF5ElementType { .float32 } }
extension Double: HDF5Element { public static var elementType: HDF5ElementType { .float64 } }
extension Int32: HDF5Element { public static var elementType: HDF5ElementType { .int32 } }
extension Int64: HDF5Element { public static var elementType: HDF5ElementType { .int64 } }
extension UInt8: HDF5Element { public static var elementType: HDF5ElementType { .uint8 } }

/// The values of a dataset, the last axis fastest.
public struct HDF5Array<Element: Sendable>: Sendable {
  /// - Shape: empty for a scalar.
  public let shape: [Int]
  public let values: [Element]
}

extension HDF5Array: Equatable where Element: Equatable {}

/// A stored type's description, as far as reading needs it.
struct StoredType {
  let typeClass: H5T_class_t
  let byteCount: Int
  let isSigned: Bool
  let isVariableString: Bool

  init(_ type: hid_t, _ place: Place) throws {
    typeClass = H5Tget_class(type)
    byteCount = Int(H5Tget_size(type))
    isSigned = typeClass == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2
    isVariableString = try typeClass == H5T_STRING && place.check(H5Tis_variable_str(type)) > 0
    guard byteCount > 0 else { throw place.error(lastReason()) }
  }

  var elementType: HDF5ElementType {
    switch (typeClass, byteCount, isSigned) {
    case (H5T_FLOAT, 4, _): .float32
    case (H5T_FLOAT, 8, _): .float64
    case (H5T_INTEGER, 4, true): .int32
    case (H5T_INTEGER, 8, true): .int64
    case (H5T_INTEGER, 1, false): .uint8
    case (H5T_STRING, _, _): .string
    case (H5T_FLOAT, _, _): .other("float\(byteCount * 8)")
    case (H5T_INTEGER, _, _): .other("\(isSigned ? "" : "u")int\(byteCount * 8)")
    case (H5T_ENUM, _, _): .other("enumeration")
    case (H5T_COMPOUND, _, _): .other("compound")
    case (H5T_VLEN, _, _): .other("variable-length array")
    case (H5T_REFERENCE, _, _): .other("reference")
    default: .other("type class \(typeClass.rawValue)")
    }
  }

  /// Whether every stored value has an equal in `type`: numbers may be widened, never rounded or cut.
  func fits(_ type: HDF5ElementType) -> Bool {
    switch type {
    case .float32: typeClass == H5T_FLOAT && byteCount <= 4
    case .float64: typeClass == H5T_FLOAT && byteCount <= 8
    case .int32: typeClass == H5T_INTEGER && (isSigned ? byteCount <= 4 : byteCount < 4)
    case .int64: typeClass == H5T_INTEGER && (isSigned ? byteCount <= 8 : byteCount < 8)
    case .uint8: typeClass == H5T_INTEGER && !isSigned && byteCount == 1
    case .string, .other: false
    }
  }
}

extension HDF5ElementType {
  /// The type in memory; only for numbers.
  var native: hid_t {
    switch self {
    case .float32: chdf5_native_float()
    case .float64: chdf5_native_double()
    case .int32: chdf5_native_int32()
    case .int64: chdf5_native_int64()
    default: chdf5_native_uint8()
    }
  }

  /// The type in the file, little-endian; only for numbers.
  var stored: hid_t {
    switch self {
    case .float32: chdf5_stored_float()
    case .float64: chdf5_stored_double()
    case .int32: chdf5_stored_int32()
    case .int64: chdf5_stored_int64()
    default: chdf5_stored_uint8()
    }
  }
}
