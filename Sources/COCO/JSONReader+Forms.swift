import IO
import JSON

/// Values in the forms in which people's files have them.
extension JSONReader {
  /// Reads a COCO, VQA or results file, or a value of one.
  ///
  /// As Python's reader does, it takes `NaN`, `Infinity` and `-Infinity` for numbers: Python's writer makes them.
  ///
  /// - Parameters:
  ///   - range: the part of `json` to read, the whole by default.
  ///   - root: the path of the value read, where it is itself part of a larger one.
  /// - Throws: `COCOError` without the file's name.
  static func readFile<R>(
    _ json: [UInt8], in range: Range<Int>? = nil, root: String = "", _ body: (inout JSONReader) throws -> R
  ) throws -> R {
    if range == nil, let kind = FileKind.recognise(json) { throw COCOError(problem: kind.complaint) }
    do {
      return try read(json, in: range, root: root, rules: rules, body)
    } catch let error as JSONError {
      throw COCOError(error)
    }
  }

  private static let rules = Rules(maximumDepth: 64, isLenient: true)

  func fault(_ problem: String) -> COCOError { COCOError(failure(problem)) }

  /// Reads a value, or skips it where it isn't what `read` expects.
  ///
  /// - Returns: what was read, or what is wrong with it.
  /// - Throws: `JSONError` if the value isn't JSON: what follows can't be read then.
  mutating func attempt<Value>(
    _ read: (inout JSONReader) throws -> Value
  ) throws -> Result<Value, COCOError> {
    let mark = mark
    let fault: COCOError
    do {
      return .success(try read(&self))
    } catch let error as COCOError {
      fault = error
    } catch let error as JSONError where !error.isSyntax {
      fault = COCOError(error)
    }
    goBack(to: mark)
    try skipValue()
    return .failure(fault)
  }

  /// - Throws: `COCOError` if the `key` of the object just read was missing.
  func required<Value>(_ value: Value?, _ key: String) throws -> Value {
    guard let value else { throw fault("the key \"\(key)\" is missing") }
    return value
  }

  /// Reads a whole number; `7.0` is one. With a point or an exponent it is a double to whoever wrote it, exact below
  /// 2⁵³ only.
  mutating func readInteger() throws -> Int64 {
    switch try readNumber() {
    case .integer(let value): return value
    case .double(let number):
      if let value = Int64(exactly: number), value.magnitude < 1 << 53 { return value }
    case .unsigned, .beyond: break
    }
    throw fault("\(lastText.prefix(40)) is not a whole number of 64 bits")
  }

  /// Reads an id: a whole number, or a string of its digits. Leading zeros are ignored.
  mutating func readID() throws -> Int64 {
    guard peek() == .string else { return try readInteger() }
    let text = try readString()
    guard let id = Self.integer(text) else {
      throw fault("\(Self.shortened(text)) is not a whole number of 64 bits")
    }
    return id
  }

  /// The number that a text of digits, with a minus before them or without, stands for.
  static func integer(_ text: String) -> Int64? {
    let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    guard !digits.isEmpty, digits.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
    return Int64(text)
  }

  /// Reads a number, or a string that holds one as JSON would write it.
  mutating func readReal() throws -> Double {
    guard peek() == .string else { return try readDouble() }
    let text = try readString()
    do {
      return try Self.read(Array(text.utf8), rules: Self.rules) { try $0.readDouble() }
    } catch is JSONError {
      throw fault("\(Self.shortened(text)), where a number is expected")
    }
  }

  /// Reads a list of numbers, each as it is or in a string.
  mutating func readReals() throws -> [Double] {
    if let numbers = readDoubles() { return numbers }
    var numbers: [Double] = []
    try readArray { numbers.append(try $0.readReal()) }
    return numbers
  }

  /// Reads a whole number, also in a string.
  mutating func readCount() throws -> Int {
    peek() == .string ? Int(try readID()) : Int(try readInteger())
  }

  /// Reads true or false, 1 or 0, or a string of one of these.
  mutating func readFlag() throws -> Bool {
    switch peek() {
    case .bool: return try readBool()
    case .string:
      let text = try readString()
      switch text.lowercased() {
      case "1", "true": return true
      case "0", "false": return false
      default: throw fault("\(Self.shortened(text)): 0 or 1 is expected")
      }
    default:
      let value = try readInteger()
      guard value == 0 || value == 1 else { throw fault("\(value): 0 or 1 is expected") }
      return value == 1
    }
  }

  /// A text as errors quote it.
  static func shortened(_ text: String) -> String {
    text.count > 40 ? String(text.prefix(40)).debugDescription + "…" : text.debugDescription
  }
}

extension COCOError {
  init(_ error: JSONError) { self.init(jsonPath: error.path, problem: error.sentence) }
}
