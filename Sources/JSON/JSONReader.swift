import CSimdJSON

/// Reads a JSON text front to back, value by value, without building a tree of it.
///
/// simdjson reads and checks the text in runs of whole members, a few kilobytes at a time, so memory doesn't grow with
/// the text; a value longer than a run is walked into. All of the text is checked, what is skipped too. The reader
/// knows where it is: the path of the value, and its bytes in the text.
///
/// A reader lives as long as the closure that gets it, as the text does; so it can't be copied.
package struct JSONReader: ~Copyable {
  /// How a text is read.
  package struct Rules: Sendable {
    /// Deeper nesting is refused: it would exhaust the stack, and no such file is meant.
    package var maximumDepth = 128
    /// Takes `NaN`, `Infinity` and `-Infinity` for numbers, as Python's reader does: Python's writer makes them.
    /// Strings that aren't UTF-8 or have escapes that mean nothing, such as half of a surrogate pair, are refused by
    /// who reads them, not by who skips them.
    package var isLenient = false
    /// The most bytes that simdjson gets at once, but for a single longer string or number.
    package var window = 1 << 16

    package init(maximumDepth: Int = 128, isLenient: Bool = false) {
      self.maximumDepth = maximumDepth
      self.isLenient = isLenient
    }
  }

  package enum Kind: Sendable {
    case object, array, string, number, bool, null

    /// For messages: "a list".
    package var words: String {
      switch self {
      case .object: "an object"
      case .array: "a list"
      case .string: "a string"
      case .number: "a number"
      case .bool: "true or false"
      case .null: "null"
      }
    }
  }

  enum Step {
    /// Where the key is in the text, in its quotes.
    case key(Range<Int>)
    case index(Int)
  }

  let rules: Rules
  let text: UnsafePointer<UInt8>
  /// Where the text ends. - Units: bytes.
  let count: Int
  let parser: OpaquePointer
  let root: String

  /// The run that simdjson has read, and where it begins in the text. The first token is its container.
  var tokens = UnsafeBufferPointer<json_token>(start: nil, count: 0)
  var runStart = 0
  /// How many runs there have been.
  var runNumber = 0
  /// The token of the next value; nil if the value is longer than a run: it begins at `place` then.
  var cursor: Int?
  var place = 0
  /// How many objects and arrays the next value is in.
  var depth = 0
  var steps: [Step] = []
  /// Where the value that was read or begun last begins, and where the one read last ends.
  package internal(set) var lastStart = 0
  package internal(set) var lastEnd = 0

  init(_ text: UnsafePointer<UInt8>, count: Int, root: String, rules: Rules) throws {
    self.text = text
    self.count = count
    self.root = root
    self.rules = rules
    parser = try ParserPool.take()
  }

  deinit { ParserPool.put(parser) }

  /// Reads the one value that `bytes` are.
  ///
  /// - Parameters:
  ///   - root: the path of the value, where it is itself part of a larger one.
  ///   - body: must read (or skip) one value.
  /// - Throws: `JSONError`, and what `body` throws.
  package static func read<R>(
    _ bytes: UnsafeRawBufferPointer, root: String = "", rules: Rules = Rules(),
    _ body: (inout JSONReader) throws -> R
  ) throws -> R {
    try read(bytes, in: 0..<bytes.count, root: root, rules: rules, body)
  }

  /// Reads the one value that `bytes`, or those in `range`, are. Places are counted from the start of `bytes`.
  ///
  /// - Throws: `JSONError`, and what `body` throws.
  package static func read<R>(
    _ bytes: [UInt8], in range: Range<Int>? = nil, root: String = "", rules: Rules = Rules(),
    _ body: (inout JSONReader) throws -> R
  ) throws -> R {
    try bytes.withUnsafeBytes { try read($0, in: range ?? 0..<$0.count, root: root, rules: rules, body) }
  }

  private static func read<R>(
    _ bytes: UnsafeRawBufferPointer, in range: Range<Int>, root: String, rules: Rules,
    _ body: (inout JSONReader) throws -> R
  ) throws -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range must lie in the text")
    // No text at all has no address; one byte that isn't read serves as well.
    return try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { nothing in
      guard let base = bytes.baseAddress ?? nothing.baseAddress.map({ UnsafeRawPointer($0) }) else {
        throw JSONError(path: root, problem: endsEarly)
      }
      var reader = try JSONReader(
        base.assumingMemoryBound(to: UInt8.self), count: range.upperBound, root: root, rules: rules)
      try reader.begin(at: range.lowerBound)
      let result = try body(&reader)
      try reader.finish()
      return result
    }
  }

  // MARK: Values

  /// What comes next, which stays unread.
  package func peek() -> Kind {
    guard let cursor else { return text[place] == UInt8(ascii: "{") ? .object : .array }
    let kind = Int(tokens[cursor].kind)
    if kind & json_any_number != 0 { return .number }
    switch kind {
    case json_string: return .string
    case json_array: return .array
    case json_object: return .object
    case json_null: return .null
    default: return .bool
    }
  }

  /// Where the next value begins in the text.
  package var position: Int { cursor.map { runStart + Int(tokens[$0].offset) } ?? place }

  /// Reads an object; `member` must read (or skip) the value of the key it is given.
  package mutating func readObject(_ member: (inout JSONReader, borrowing Span<UInt8>) throws -> Void) throws {
    try expect(.object)
    guard let token = cursor else { return try readStream(isObject: true, member) }
    let end = open(token)
    try readMembers(of: token, member)
    close(token, at: end)
  }

  /// Reads a list; `element` must read (or skip) one value.
  package mutating func readArray(_ element: (inout JSONReader) throws -> Void) throws {
    try expect(.array)
    guard let token = cursor else { return try readStream(isObject: false) { reader, _ in try element(&reader) } }
    let end = open(token)
    try readElements(of: token, from: 0, element)
    close(token, at: end)
  }

  /// Passes over one value, whatever it is.
  ///
  /// - Returns: where its bytes are in the text.
  @discardableResult
  package mutating func skipValue() throws -> Range<Int> {
    guard let token = cursor else {
      let start = place
      if peek() == .object {
        try readObject { reader, _ in try reader.skipValue() }
      } else {
        try readArray { try $0.skipValue() }
      }
      return start..<lastEnd
    }
    return take(token)
  }

  /// Takes a `null`, if one is next.
  package mutating func readNull() -> Bool {
    guard peek() == .null, let token = cursor else { return false }
    take(token)
    return true
  }

  package mutating func readBool() throws -> Bool {
    let token = try scalar(.bool)
    take(token)
    return Int(tokens[token].kind) == json_true
  }

  /// - Throws: `JSONError` if the string isn't text: `Rules.isLenient`.
  package mutating func readString() throws -> String {
    let token = try scalar(.string)
    guard let text = Self.string(content(of: token)) else { throw failure(Self.noText) }
    take(token)
    return text
  }

  /// The bytes that a string stands for.
  ///
  /// - Throws: `JSONError` if it isn't text: `Rules.isLenient`.
  package mutating func readByteString() throws -> ByteString {
    let token = try scalar(.string)
    let content = content(of: token)
    if rules.isLenient { guard Self.string(content) != nil else { throw failure(Self.noText) } }
    guard let bytes = content.bytes else { throw failure(Self.noText) }
    take(token)
    return ByteString(bytes)
  }

  private static let noText =
    "the string is not UTF-8, or has an invalid escape, such as half of a surrogate pair"

  package mutating func readNumber() throws -> JSONNumber {
    let token = try scalar(.number)
    let range = take(token)
    let bits = tokens[token].bits
    switch Int(tokens[token].kind) {
    case json_integer: return .integer(bits)
    case json_unsigned: return .unsigned(UInt64(bitPattern: bits))
    case json_double: return .double(Double(bitPattern: UInt64(bitPattern: bits)))
    default:
      let written = text(in: range)
      let number = Double(written) ?? .nan
      return number.isFinite && written.utf8.contains { ".eE".utf8.contains($0) } ? .double(number) : .beyond(number)
    }
  }

  /// The nearest double to a number; infinite beyond the largest.
  package mutating func readDouble() throws -> Double {
    let token = try scalar(.number)
    take(token)
    return double(token)
  }

  /// Reads a list of nothing but numbers, as the nearest doubles.
  ///
  /// - Returns: nil if something else comes next, or a list longer than a run: nothing is read then.
  package mutating func readDoubles() -> [Double]? {
    guard let list = cursor, Int(tokens[list].kind) == json_array else { return nil }
    let elements = list + 1..<Int(tokens[list].next)
    guard elements.allSatisfy({ Int(tokens[$0].kind) & json_any_number != 0 }) else { return nil }
    take(list)
    return elements.map { double($0) }
  }

  private func double(_ token: Int) -> Double {
    let bits = tokens[token].bits
    switch Int(tokens[token].kind) {
    case json_double: return Double(bitPattern: UInt64(bitPattern: bits))
    case json_integer:
      let isNegativeZero = bits == 0 && text[runStart + Int(tokens[token].offset)] == UInt8(ascii: "-")
      return isNegativeZero ? -0.0 : Double(bits)
    case json_unsigned: return Double(UInt64(bitPattern: bits))
    default:
      let start = runStart + Int(tokens[token].offset)
      return Double(text(in: start..<start + Int(tokens[token].length))) ?? .nan
    }
  }

  /// The text of the value that was read last, for messages.
  package var lastText: String { text(in: lastStart..<lastEnd) }

  // MARK: Going back

  /// Where a reader was.
  package struct Mark {
    fileprivate let cursor: Int?
    fileprivate let place: Int
    fileprivate let depth: Int
    fileprivate let stepCount: Int
    fileprivate let runNumber: Int
  }

  package var mark: Mark {
    Mark(cursor: cursor, place: place, depth: depth, stepCount: steps.count, runNumber: runNumber)
  }

  /// Goes back to a value that was begun, and not yet finished, since.
  package mutating func goBack(to mark: Mark) {
    // A value of a run lies whole in it, so no other run was read since.
    precondition(mark.cursor == nil || mark.runNumber == runNumber, "the value was finished since")
    (cursor, place, depth) = (mark.cursor, mark.place, mark.depth)
    steps.removeLast(steps.count - mark.stepCount)
  }

  // MARK: Errors

  /// The path of the value that is being read: `annotations[3].segmentation`.
  package var path: String {
    steps.reduce(into: root) { path, step in
      switch step {
      case .key(let range):
        let content = StringContent(start: text + range.lowerBound + 1, count: range.count - 2, parser: parser)
        let key = Self.string(content) ?? text(in: range.lowerBound + 1..<range.upperBound - 1)
        path += path.isEmpty ? key : "." + key
      case .index(let index): path += "[\(index)]"
      }
    }
  }

  /// Where the key of the value that is being read begins in the text; of an element, the value.
  package var keyPosition: Int {
    if case .key(let range) = steps.last { return range.lowerBound }
    return position
  }

  /// An error about the value that is being read.
  package func failure(_ problem: String) -> JSONError { JSONError(path: path, problem: problem) }

  func text(in range: Range<Int>) -> String {
    String(decoding: UnsafeBufferPointer(start: text + range.lowerBound, count: range.count), as: UTF8.self)
  }

  /// - Throws: `JSONError` if something else comes next.
  package func expect(_ kind: Kind) throws {
    let found = peek()
    guard found == kind else { throw failure("\(found.words), where \(kind.words) is expected") }
  }

  private func scalar(_ kind: Kind) throws -> Int {
    try expect(kind)
    // Only objects and arrays are ever walked into.
    guard let cursor else { throw failure("\(kind.words) is expected") }
    return cursor
  }
}
