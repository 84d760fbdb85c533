import CPCRE2

/// A built-in regular expression, which matches at the beginning of a token.
///
/// `@unchecked Sendable` invariant: PCRE2's compiled code is never written after compilation; what a match writes is in
/// `Scratch`, which belongs to one caller.
final class AnchoredPattern: @unchecked Sendable {
  /// What a match writes.
  final class Scratch {
    fileprivate let data: OpaquePointer

    init() {
      guard let data = pcre2_match_data_create_8(2, nil) else { preconditionFailure("out of memory") }
      self.data = data
    }

    deinit { pcre2_match_data_free_8(data) }
  }

  struct Match {
    /// The token: the end of the first group. Offset in bytes.
    let end: Int
    /// With what must follow the token.
    let length: Int
  }

  /// The bytes with which a match can begin.
  let firstBytes: Set<UInt8>
  private let code: OpaquePointer

  /// - Parameter pattern: with one group, at its beginning.
  init(_ pattern: String) {
    code = Self.compiled(pattern, UInt32(PCRE2_ANCHORED))
    // Where there is no just-in-time compiler PCRE2 interprets: slower, the same matches.
    _ = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
    // PCRE2 works first bytes out for patterns that may match anywhere.
    let anywhere = Self.compiled(pattern, 0)
    firstBytes = Self.firstBytes(anywhere)
    pcre2_code_free_8(anywhere)
  }

  private static func compiled(_ pattern: String, _ options: UInt32) -> OpaquePointer {
    let bytes = Array(pattern.utf8)
    var (errorCode, offset): (Int32, Int) = (0, 0)
    let options = options | UInt32(PCRE2_UTF) | UInt32(PCRE2_NO_UTF_CHECK)
    let code = bytes.withUnsafeBufferPointer {
      pcre2_compile_8($0.baseAddress, $0.count, options, &errorCode, &offset, nil)
    }
    guard let code else { preconditionFailure("\(pattern) is wrong at byte \(offset): PCRE2's error \(errorCode)") }
    return code
  }

  private static func firstBytes(_ code: OpaquePointer) -> Set<UInt8> {
    var (kind, unit): (UInt32, UInt32) = (0, 0)
    var bitmap: UnsafePointer<UInt8>?
    pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_FIRSTCODETYPE), &kind)
    pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_FIRSTCODEUNIT), &unit)
    pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_FIRSTBITMAP), &bitmap)
    let all = UInt8.min...UInt8.max
    if let bitmap { return Set(all.filter { bitmap[Int($0) / 8] >> ($0 % 8) & 1 == 1 }) }
    guard kind == 1 else { return Set(all) }
    // A single first letter may be meant in either case.
    let first = UInt8(truncatingIfNeeded: unit)
    let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first | 0x20)
    return isLetter ? [first | 0x20, first & ~0x20] : [first]
  }

  deinit { pcre2_code_free_8(code) }

  /// The match that begins at `start`; nil if there is none.
  ///
  /// - Parameter text: valid UTF-8.
  func match(_ text: UnsafeBufferPointer<UInt8>, at start: Int, _ scratch: Scratch) -> Match? {
    let found = pcre2_match_8(
      code, text.baseAddress, text.count, start, UInt32(PCRE2_NO_UTF_CHECK), scratch.data, nil)
    guard found > 1, let places = pcre2_get_ovector_pointer_8(scratch.data) else { return nil }
    return Match(end: places[3], length: places[1] - start)
  }
}
