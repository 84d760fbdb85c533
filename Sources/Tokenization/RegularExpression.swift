import CPCRE2

/// A compiled pattern of tokenizer.json.
///
/// `@unchecked Sendable` invariant: PCRE2's compiled code is never written after compilation, and what a match writes is made
/// anew for each call.
final class RegularExpression: @unchecked Sendable {
  /// A pattern that doesn't compile.
  struct Invalid: Error { let problem: String }

  /// A match that was given up.
  struct MatchFailure: Error { let problem: String }

  private let code: OpaquePointer

  /// - Parameter pattern: In Oniguruma's language.
  init(_ pattern: String) throws {
    let translated: [UInt8]
    do {
      translated = Array(try OnigurumaPattern.translate(pattern).utf8)
    } catch let error as OnigurumaPattern.Unsupported {
      throw Invalid(problem: error.problem)
    }
    guard let context = pcre2_compile_context_create_8(nil) else { throw Invalid(problem: "out of memory") }
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    pcre2_set_max_pattern_length_8(context, 1 << 20)
    var errorCode: Int32 = 0
    var errorOffset = 0
    // Oniguruma's ^ and $ are always those of lines.
    let options = UInt32(PCRE2_UTF) | UInt32(PCRE2_UCP) | UInt32(PCRE2_MULTILINE) | UInt32(PCRE2_NEVER_BACKSLASH_C)
    let code = translated.withUnsafeBufferPointer {
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

  /// Every match, as byte ranges, one after the other without overlap.
  ///
  /// Empty matches are found too, but not at the end of the match before: Oniguruma's iterator, on which the
  /// tokenizers library relies.
  ///
  /// - Parameter subject: Valid UTF-8.
  /// - Throws: `MatchFailure` when a match takes too many steps or too much memory: a hostile pattern can't hang us.
  func matches(in subject: UnsafeBufferPointer<UInt8>) throws -> [Range<Int>] {
    guard let data = pcre2_match_data_create_8(1, nil), let context = pcre2_match_context_create_8(nil) else {
      throw MatchFailure(problem: "out of memory")
    }
    defer {
      pcre2_match_data_free_8(data)
      pcre2_match_context_free_8(context)
    }
    // A run of n blanks takes an honest pattern about n steps.
    let limit = UInt32(clamping: 1_000_000 + 8 * subject.count)
    pcre2_set_match_limit_8(context, limit)
    pcre2_set_depth_limit_8(context, limit)
    pcre2_set_heap_limit_8(context, 256 << 10)
    guard let vector = pcre2_get_ovector_pointer_8(data) else { throw MatchFailure(problem: "out of memory") }

    var ranges: [Range<Int>] = []
    var position = 0
    var lastEnd: Int?
    while position <= subject.count {
      let options = UInt32(PCRE2_NO_UTF_CHECK)
      var result = pcre2_match_8(code, subject.baseAddress, subject.count, position, options, data, context)
      if result == PCRE2_ERROR_JIT_STACKLIMIT {
        // The interpreter keeps its stack on the heap.
        result = pcre2_match_8(
          code, subject.baseAddress, subject.count, position, options | UInt32(PCRE2_NO_JIT), data, context)
      }
      if result == PCRE2_ERROR_NOMATCH { break }
      guard result >= 0 else {
        throw MatchFailure(
          problem: "matching a text of \(subject.count) bytes was given up: \(Self.message(result))")
      }
      let (start, end) = (vector[0], vector[1])
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
}
