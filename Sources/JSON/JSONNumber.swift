/// A number as JSON has it.
package enum JSONNumber: Equatable, Sendable {
  /// Written as a whole number, without point and exponent.
  case integer(Int64)
  /// A whole number above `Int64.max`.
  case unsigned(UInt64)
  /// Written with a point or an exponent.
  case double(Double)
  /// What none of these holds: a longer whole number, one beyond the largest double, and Python's NaN and Infinity. The
  /// nearest double.
  case beyond(Double)
}
