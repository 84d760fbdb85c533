import IO

/// Reads JSON front to back, value by value, without building a tree of it.
///
/// Annotation files are tens to hundreds of megabytes of numbers, of which a job needs a few masks at a time.
/// On a 50 MB file Foundation's `JSONDecoder` took 8 s and `JSONSerialization` 15 s and 1 GB; this reader
/// takes less than one, lets the caller skip a value and come back to its bytes, and knows where it is.
///
/// As Python's reader does, it takes `NaN`, `Infinity` and `-Infinity` for numbers: Python's writer makes them.
struct JSONReader {
  enum Kind: String {
    case object = "an object"
    case array = "a list"
    case string = "a string"
    case number = "a number"
    case bool = "true or false"
    case null = "null"
  }

  private enum Step {
    case key(String)
    case index(Int)
  }

  /// Deeper nesting than this is refused: it would exhaust the stack, and no such file is meant.
  private static let maximumDepth = 64

  let bytes: [UInt8]
  private(set) var position: Int
  private let end: Int
  private let root: String
  private var steps: [Step] = []

  /// - Parameters:
  ///   - range: the part of `bytes` to read, the whole by default.
  ///   - root: the path of the value read, where it is itself part of a larger one.
  init(_ bytes: [UInt8], range: Range<Int>? = nil, root: String = "") {
    self.bytes = bytes
    position = range?.lowerBound ?? 0
    end = range?.upperBound ?? bytes.count
    self.root = root
  }

  /// Where the reader is: `annotations[3].segmentation`.
  var path: String {
    steps.reduce(into: root) { path, step in
      switch step {
      case .key(let key): path += path.isEmpty ? key : "." + key
      case .index(let index): path += "[\(index)]"
      }
    }
  }

  func failure(_ problem: String) -> COCOError { COCOError(jsonPath: path, problem: problem) }

  /// Reads a value, or skips it where it isn't what `read` expects.
  ///
  /// - Returns: what was read, or what is wrong with it.
  /// - Throws: `COCOError` if the value isn't JSON: what follows can't be read then.
  mutating func attempt<Value>(
    _ read: (inout JSONReader) throws -> Value
  ) throws -> Result<Value, COCOError> {
    let (start, outerDepth, outerSteps) = (position, depth, steps.count)
    do {
      return .success(try read(&self))
    } catch let error as COCOError {
      position = start
      depth = outerDepth
      steps.removeLast(steps.count - outerSteps)
      try skipValue()
      return .failure(error)
    }
  }

  private func malformed(_ problem: String) -> COCOError {
    failure("not JSON at byte \(position): \(problem)")
  }

  // MARK: Values

  /// What comes next, which stays unread.
  mutating func peek() throws -> Kind {
    skipSpace()
    guard position < end else { throw malformed("the text ends where a value should be") }
    if position == 0, let kind = FileKind.recognise(bytes) { throw failure(kind.complaint) }
    switch bytes[position] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "N"), UInt8(ascii: "I"): return .number
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case let byte: throw malformed("\(Self.quoted(byte)) can't begin a value")
    }
  }

  /// Reads an object; `member` must read (or skip) the value of the key it is given.
  mutating func readObject(_ member: (inout JSONReader, String) throws -> Void) throws {
    try expect(.object)
    try enter(closing: UInt8(ascii: "}")) { reader, _ in
      guard reader.position < reader.end, reader.bytes[reader.position] == UInt8(ascii: "\"") else {
        throw reader.malformed("a key in double quotes is missing")
      }
      let key = try reader.readKey()
      reader.skipSpace()
      try reader.take(UInt8(ascii: ":"))
      reader.steps.append(.key(key))
      try member(&reader, key)
      reader.steps.removeLast()
    }
  }

  /// Reads a list; `element` must read (or skip) one value.
  mutating func readArray(_ element: (inout JSONReader) throws -> Void) throws {
    try expect(.array)
    try enter(closing: UInt8(ascii: "]")) { reader, index in
      reader.steps.append(.index(index))
      try element(&reader)
      reader.steps.removeLast()
    }
  }

  mutating func readString() throws -> String {
    try expect(.string)
    let start = position + 1
    try skipString()
    guard let text = Self.text(bytes[start..<position - 1]) else {
      throw failure("the string is not UTF-8, or has an escape that means nothing, such as half of a surrogate pair")
    }
    return text
  }

  /// A key that is no text can't be one that anybody asks for.
  private mutating func readKey() throws -> String {
    let start = position + 1
    try skipString()
    let content = bytes[start..<position - 1]
    return Self.text(content) ?? String(decoding: content, as: UTF8.self)
  }

  /// Reads a whole number; `7.0` is one. With a point or an exponent it is a double to whoever wrote it, exact below
  /// 2⁵³ only.
  mutating func readInteger() throws -> Int64 {
    try expect(.number)
    let start = position
    try skipNumber()
    let token = bytes[start..<position]
    if let value = Int64(String(decoding: token, as: UTF8.self)) { return value }
    guard let value = Int64(exactly: Self.double(token)), value.magnitude < 1 << 53 else {
      throw failure("\(String(decoding: token.prefix(40), as: UTF8.self)) is not a whole number of 64 bits")
    }
    return value
  }

  mutating func readDouble() throws -> Double {
    try expect(.number)
    let start = position
    try skipNumber()
    return Self.double(bytes[start..<position])
  }

  mutating func readBool() throws -> Bool {
    try expect(.bool)
    let value = bytes[position] == UInt8(ascii: "t")
    try takeWord(value ? "true" : "false")
    return value
  }

  /// Takes a `null`, if one is next.
  mutating func readNull() throws -> Bool {
    guard try peek() == .null else { return false }
    try takeWord("null")
    return true
  }

  /// Reads a value, or takes a `null` for none.
  mutating func readOptional<Value>(_ read: (inout JSONReader) throws -> Value) throws -> Value? {
    try readNull() ? nil : try read(&self)
  }

  /// - Throws: `COCOError` if the `key` of the object just read was missing.
  func required<Value>(_ value: Value?, _ key: String) throws -> Value {
    guard let value else { throw failure("the key \"\(key)\" is missing") }
    return value
  }

  /// Skips one value of any kind, checking that it is JSON.
  ///
  /// - Returns: where its bytes are.
  @discardableResult
  mutating func skipValue() throws -> Range<Int> {
    let kind = try peek()
    let start = position
    switch kind {
    case .object: try readObject { reader, _ in try reader.skipValue() }
    case .array:
      try enter(closing: UInt8(ascii: "]")) { reader, _ in
        _ = try reader.skipValue()
      }
    case .string: try skipString()
    case .number: try skipNumber()
    case .bool: _ = try readBool()
    case .null: _ = try readNull()
    }
    return start..<position
  }

  /// Makes sure that nothing but white space is left.
  mutating func finish() throws {
    skipSpace()
    guard position == end else { throw malformed("there is more after the value's end") }
  }

  // MARK: Tokens

  private var depth = 0

  private mutating func expect(_ kind: Kind) throws {
    let found = try peek()
    guard found == kind else { throw failure("\(found.rawValue), where \(kind.rawValue) is expected") }
  }

  /// Reads what lies between a bracket and its `closing` one, separated by commas.
  private mutating func enter(closing: UInt8, _ item: (inout JSONReader, Int) throws -> Void) throws {
    guard depth < Self.maximumDepth else { throw failure("nested more than \(Self.maximumDepth) deep") }
    depth += 1
    position += 1
    skipSpace()
    if position < end, bytes[position] == closing {
      position += 1
      depth -= 1
      return
    }
    var index = 0
    while true {
      skipSpace()
      try item(&self, index)
      index += 1
      skipSpace()
      guard position < end else { throw malformed("the text ends inside an object or a list") }
      if bytes[position] == closing { break }
      try take(UInt8(ascii: ","))
    }
    position += 1
    depth -= 1
  }

  private mutating func skipSpace() {
    while position < end {
      switch bytes[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return
      }
    }
  }

  private mutating func take(_ byte: UInt8) throws {
    guard position < end, bytes[position] == byte else {
      let found = position < end ? Self.quoted(bytes[position]) : "the end"
      throw malformed("\(found), where \(Self.quoted(byte)) is expected")
    }
    position += 1
  }

  private mutating func takeWord(_ word: StaticString) throws {
    let fits = end - position >= word.utf8CodeUnitCount
    guard fits, word.withUTF8Buffer({ bytes[position..<position + $0.count].elementsEqual($0) }) else {
      throw malformed("the value is none of true, false, null, NaN and Infinity")
    }
    position += word.utf8CodeUnitCount
  }

  private mutating func skipString() throws {
    let start = position
    position += 1
    while position < end {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return
      case UInt8(ascii: "\\"): position += 2
      case 0..<0x20: throw malformed("a control character inside a string")
      default: position += 1
      }
    }
    position = start
    throw malformed("the string that begins here does not end")
  }

  private mutating func skipNumber() throws {
    if position < end, bytes[position] == UInt8(ascii: "-") { position += 1 }
    if position < end, bytes[position] == UInt8(ascii: "I") { return try takeWord("Infinity") }
    if position < end, bytes[position] == UInt8(ascii: "N"), position == 0 || bytes[position - 1] != UInt8(ascii: "-") {
      return try takeWord("NaN")
    }
    let integer = skipDigits()
    guard integer > 0, integer == 1 || bytes[position - integer] != UInt8(ascii: "0") else {
      throw malformed("a number begins with digits, the first of several not 0")
    }
    if position < end, bytes[position] == UInt8(ascii: ".") {
      position += 1
      guard skipDigits() > 0 else { throw malformed("a digit is missing after the decimal point") }
    }
    if position < end, bytes[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < end, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") { position += 1 }
      guard skipDigits() > 0 else { throw malformed("a digit is missing in the exponent") }
    }
  }

  private mutating func skipDigits() -> Int {
    let start = position
    while position < end, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) { position += 1 }
    return position - start
  }

  // MARK: Contents

  private static let powersOfTen = (0...22).map { power in (0..<power).reduce(1.0) { value, _ in value * 10 } }

  /// The nearest double to a checked number.
  private static func double(_ token: ArraySlice<UInt8>) -> Double {
    // Most coordinates are few digits: both parts are exact, so one division rounds once, correctly.
    var mantissa = 0
    var decimals = 0
    var seenPoint = false
    var simple = token.count <= 16
    for byte in token where simple {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        mantissa = mantissa * 10 + Int(byte - UInt8(ascii: "0"))
        if seenPoint { decimals += 1 }
      case UInt8(ascii: "."): seenPoint = true
      case UInt8(ascii: "-"): break
      default: simple = false
      }
    }
    if simple && mantissa < 1 << 53 {
      let value = Double(mantissa) / powersOfTen[decimals]
      return token.first == UInt8(ascii: "-") ? -value : value
    }
    // A checked JSON number is always a number to Swift too; one beyond the largest is infinite.
    return Double(String(decoding: token, as: UTF8.self)) ?? .nan
  }

  /// - Returns: nil if an escape means nothing or the text is not UTF-8.
  private static func text(_ content: ArraySlice<UInt8>) -> String? {
    content.contains(UInt8(ascii: "\\")) ? unescape(content) : String(validating: content, as: UTF8.self)
  }

  private static func unescape(_ content: ArraySlice<UInt8>) -> String? {
    var units: [UInt8] = []
    units.reserveCapacity(content.count)
    var at = content.startIndex
    while at < content.endIndex {
      guard content[at] == UInt8(ascii: "\\") else {
        units.append(content[at])
        at += 1
        continue
      }
      guard at + 1 < content.endIndex else { return nil }
      let escape = content[at + 1]
      at += 2
      switch escape {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): units.append(escape)
      case UInt8(ascii: "b"): units.append(0x08)
      case UInt8(ascii: "f"): units.append(0x0c)
      case UInt8(ascii: "n"): units.append(0x0a)
      case UInt8(ascii: "r"): units.append(0x0d)
      case UInt8(ascii: "t"): units.append(0x09)
      case UInt8(ascii: "u"):
        guard let scalar = scalar(in: content, at: &at) else { return nil }
        units.append(contentsOf: String(scalar).utf8)
      default: return nil
      }
    }
    return String(validating: units, as: UTF8.self)
  }

  /// The scalar of a `\u` escape whose four digits begin at `at`, and of the second half that may follow.
  private static func scalar(in content: ArraySlice<UInt8>, at: inout Int) -> Unicode.Scalar? {
    func unit(_ start: Int) -> UInt32? {
      guard start + 4 <= content.endIndex else { return nil }
      var value: UInt32 = 0
      for byte in content[start..<start + 4] {
        guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
        value = value << 4 | UInt32(digit)
      }
      return value
    }
    guard let first = unit(at) else { return nil }
    at += 4
    guard (0xd800..<0xdc00).contains(first) else { return Unicode.Scalar(first) }
    guard at + 2 <= content.endIndex, content[at] == UInt8(ascii: "\\"), content[at + 1] == UInt8(ascii: "u"),
      let second = unit(at + 2), (0xdc00..<0xe000).contains(second)
    else { return nil }
    at += 6
    return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
  }

  private static func quoted(_ byte: UInt8) -> String {
    (0x21..<0x7f).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "the byte \(byte)"
  }
}
