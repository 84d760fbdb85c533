internal import CMPI

/// A call of the MPI library that failed, or a message that isn't what the receiver needs.
public struct MPIError: Error, CustomStringConvertible {
  /// The MPI function, such as `MPI_Bcast`, or the operation of this module.
  public let call: String
  /// What went wrong: for a failed call, MPI's own text.
  public let reason: String
  /// The rank it happened on; nil before ranks are known.
  public let rank: Int?

  public var description: String {
    let place = rank.map { " on rank \($0)" } ?? ""
    return "\(call) failed\(place): \(reason)"
  }
}

/// The one door through which every return code of MPI passes.
///
/// - Throws: `MPIError` with the function's name and MPI's text, unless `code` is `MPI_SUCCESS`.
func check(_ code: Int32, _ call: String, rank: Int?) throws {
  guard code != MPI_SUCCESS else { return }
  var text = [CChar](repeating: 0, count: Int(CMPI_TEXT))
  var length: Int32 = 0
  let known = cmpi_error_string(code, &text, &length) == MPI_SUCCESS
  let reason = known ? string(text, length) : "error code \(code)"
  throw MPIError(call: call, reason: reason, rank: rank)
}

/// The first `length` characters of what C wrote.
func string(_ text: [CChar], _ length: Int32) -> String {
  String(decoding: text.prefix(max(0, Int(length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
