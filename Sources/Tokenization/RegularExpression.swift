import CPCRE2

/// A compiled pattern that came from a file: PCRE2, with limits on its size and on the steps and memory of a match, so that a
/// hostile pattern can't hang the program.
///
/// `@unchecked Sendable` invariant: PCRE2's compiled code is never written after compilation, and what a match writes is made
/// anew for each call.
public final class RegularExpression: @unchecked Sendable {
  /// A pattern that doesn't compile.
  public struct Invalid: Error, CustomStringConvertible {
    public let problem: String
    public var description: String { problem }

    public init(problem: String) { self.problem = problem }
  }

  /// A match that was given up.
  public struct MatchFailure: Error, CustomStringConvertible {
    public let problem: String
    public var description: String { problem }
  }

  /// Where a match must lie.
  public enum Place: Sendable {
    case anywhere
    /// It begins where the text does.
    case start
    /// It is the whole text.
    case whole
  }

  private let code: OpaquePointer

  /// - Parameters:
  ///   - pattern: in PCRE2's language, at most 2^20 bytes.
  ///   - linesHaveEnds: whether ^ and $ are those of lines.
  /// - Throws: `Invalid`.
  public init(pcre2 pattern: String, place: Place = .anywhere, linesHaveEnds: Bool = false) throws {
    guard let context = pcre2_compile_context_create_8(nil) else { throw Invalid(problem: "out of memory") }
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    pcre2_set_max_pattern_length_8(context, 1 << 20)
    var errorCode: Int32 = 0
    var errorOffset = 0
    var options = UInt32(PCRE2_UTF) | UInt32(PCRE2_UCP) | UInt32(PCRE2_NEVER_BACKSLASH_C)
    if linesHaveEnds { options |= UInt32(PCRE2_MULTILINE) }
    if place != .anywhere { options |= UInt32(PCRE2_ANCHORED) }
    if place == .whole { options |= UInt32(PCRE2_ENDANCHORED) }
    let code = Array(pattern.utf8).withUnsafeBufferPointer {
      pcre2_compile_8($0.baseAddress, $0.count, options, &errorCode, &errorOffset, context)
    }
    guard let code else { throw Invalid(problem: Self.message(errorCode)) }
    self.code = code
    // Where there is no just-in-time compiler PCRE2 interprets: slower, the same matches.
    _ = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
  }

  deinit { pcre2_code_free_8(code) }

  private static func message(_ code: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 256)
    pcre2_get_error_message_8(code, &buffer, buffer.count)
    return String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Whether the text has a match.
  ///
  /// - Parameter steps: that a match may take; by default a million and eight a byte.
  /// - Throws: `MatchFailure` when it takes more, or too much memory.
  public func matches(_ text: String, steps: UInt32? = nil) throws -> Bool {
    try Array(text.utf8).withUnsafeBufferPointer { subject in
      let match = try Match(of: subject, steps: steps)
      return try match.run(code, subject, from: 0) != nil
    }
  }

  /// Every match, as byte ranges, one after the other without overlap.
  ///
  /// Empty matches are found too, but not at the end of the match before: Oniguruma's iterator, on which the
  /// tokenizers library relies.
  ///
  /// - Parameter subject: Valid UTF-8.
  /// - Throws: `MatchFailure` when a match takes too many steps or too much memory.
  public func matches(in subject: UnsafeBufferPointer<UInt8>) throws -> [Range<Int>] {
    let match = try Match(of: subject, steps: nil)
    var ranges: [Range<Int>] = []
    var position = 0
    var lastEnd: Int?
    while position <= subject.count {
      guard let (start, end) = try match.run(code, subject, from: position) else { break }
      // \K in a lookaround can put the start after the end, or before the last match.
      guard start <= end, start >= lastEnd ?? 0, end <= subject.count else {
        throw MatchFailure(problem: "a match runs backwards")
      }
      if start == end, lastEnd == end {
        guard position < subject.count else { break }
        position += utf8Length(leading: subject[position])
        continue
      }
      ranges.append(start..<end)
      position = end
      lastEnd = end
    }
    return ranges
  }

  /// What matching one text writes.
  private final class Match {
    let data: OpaquePointer
    let context: OpaquePointer
    let vector: UnsafeMutablePointer<Int>

    init(of subject: UnsafeBufferPointer<UInt8>, steps: UInt32?) throws {
      guard let data = pcre2_match_data_create_8(1, nil) else { throw MatchFailure(problem: "out of memory") }
      guard let context = pcre2_match_context_create_8(nil), let vector = pcre2_get_ovector_pointer_8(data) else {
        pcre2_match_data_free_8(data)
        throw MatchFailure(problem: "out of memory")
      }
      (self.data, self.context, self.vector) = (data, context, vector)
      // A run of n blanks takes an honest pattern about n steps.
      let limit = steps ?? UInt32(clamping: 1_000_000 + 8 * subject.count)
      pcre2_set_match_limit_8(context, limit)
      pcre2_set_depth_limit_8(context, limit)
      pcre2_set_heap_limit_8(context, 256 << 10)
    }

    deinit {
      pcre2_match_data_free_8(data)
      pcre2_match_context_free_8(context)
    }

    func run(
      _ code: OpaquePointer, _ subject: UnsafeBufferPointer<UInt8>, from position: Int
    ) throws -> (start: Int, end: Int)? {
      let options = UInt32(PCRE2_NO_UTF_CHECK)
      var result = pcre2_match_8(code, subject.baseAddress, subject.count, position, options, data, context)
      if result == PCRE2_ERROR_JIT_STACKLIMIT {
        // The interpreter keeps its stack on the heap.
        result = pcre2_match_8(
          code, subject.baseAddress, subject.count, position, options | UInt32(PCRE2_NO_JIT), data, context)
      }
      if result == PCRE2_ERROR_NOMATCH { return nil }
      guard result >= 0 else {
        throw MatchFailure(
          problem: "matching a text of \(subject.count) bytes was abandoned: \(RegularExpression.message(result))")
      }
      return (vector[0], vector[1])
    }
  }
}
