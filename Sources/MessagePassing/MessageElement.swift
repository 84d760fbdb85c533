internal import CMPI

/// A number that travels between ranks. All ranks are taken to have the same byte order.
public protocol MessageElement: BitwiseCopyable {
  /// The number of this type in the C shim.
  static var messageType: MessageType { get }
}

/// The element types that messages know.
public enum MessageType: Sendable {
  case int32, int64, float, double, uint8

  var code: Int32 {
    switch self {
    case .int32: Int32(CMPI_INT32.rawValue)
    case .int64: Int32(CMPI_INT64.rawValue)
    case .float: Int32(CMPI_FLOAT.rawValue)
    case .double: Int32(CMPI_DOUBLE.rawValue)
    case .uint8: Int32(CMPI_UINT8.rawValue)
    }
  }
}

extension Int32: MessageElement { public static var messageType: MessageType { .int32 } }
extension Int64: MessageElement { public static var messageType: MessageType { .int64 } }
extension Float: MessageElement { public static var messageType: MessageType { .float } }
extension Double: MessageElement { public static var messageType: MessageType { .double } }
extension UInt8: MessageElement { public static var messageType: MessageType { .uint8 } }

/// How values of several ranks become one.
public enum ReduceOperation: Sendable {
  case sum, min, max

  var code: Int32 {
    switch self {
    case .sum: Int32(CMPI_SUM.rawValue)
    case .min: Int32(CMPI_MIN.rawValue)
    case .max: Int32(CMPI_MAX.rawValue)
    }
  }
}
