import CSimdJSON

// How the reader gets from value to value: inside a run, and from run to run.
extension JSONReader {
  // MARK: The whole

  /// Reads the first run.
  mutating func begin(at first: Int) throws {
    let start = afterSpace(first)
    if count - first > rules.window, start < count, isOpening(text[start]) {
      place = start
      return
    }
    try parse(first..<count, .whole, isClosed: false)
    guard tokens.count > 1 else { throw syntaxFault(Self.endsEarly, at: count) }
    cursor = 1
  }

  /// Makes sure that nothing but white space is left.
  mutating func finish() throws {
    let end = afterSpace(lastEnd)
    guard end == count else { throw syntaxFault(Self.goesOn, at: end) }
  }

  // MARK: Inside a run

  /// - Returns: where the token's value ends in the text.
  mutating func open(_ token: Int) -> Int {
    lastStart = runStart + Int(tokens[token].offset)
    depth += 1
    return lastStart + Int(tokens[token].length)
  }

  mutating func close(_ token: Int, at end: Int) {
    depth -= 1
    cursor = Int(tokens[token].next)
    lastEnd = end
  }

  @discardableResult
  mutating func take(_ token: Int) -> Range<Int> {
    lastStart = runStart + Int(tokens[token].offset)
    lastEnd = lastStart + Int(tokens[token].length)
    cursor = Int(tokens[token].next)
    return lastStart..<lastEnd
  }

  mutating func readMembers(
    of object: Int, _ member: (inout JSONReader, borrowing Span<UInt8>) throws -> Void
  ) throws {
    let end = Int(tokens[object].next)
    var key = object + 1
    while key < end {
      let start = runStart + Int(tokens[key].offset)
      steps.append(.key(start..<start + Int(tokens[key].length)))
      let next = Int(tokens[key + 1].next)
      cursor = key + 1
      try content(of: key).withBytes { try member(&self, $0) }
      precondition(cursor == next, "a member's value must be read or skipped")
      steps.removeLast()
      key = next
    }
  }

  mutating func readElements(
    of array: Int, from index: Int, _ element: (inout JSONReader) throws -> Void
  ) throws {
    let end = Int(tokens[array].next)
    guard array + 1 < end else { return }
    var (token, index) = (array + 1, index)
    steps.append(.index(index))
    let step = steps.count - 1
    while token < end {
      steps[step] = .index(index)
      let next = Int(tokens[token].next)
      cursor = token
      try element(&self)
      precondition(cursor == next, "an element must be read or skipped")
      (token, index) = (next, index + 1)
    }
    steps.removeLast()
  }

  // MARK: From run to run

  /// Reads an object or array that is longer than a run.
  mutating func readStream(
    isObject: Bool, _ member: (inout JSONReader, borrowing Span<UInt8>) throws -> Void
  ) throws {
    lastStart = place
    guard depth < rules.maximumDepth else { throw failure(Self.tooDeep(rules.maximumDepth)) }
    depth += 1
    var start = place + 1
    var members = 0
    while true {
      var end = 0
      var ending = Int(json_find_run(text, start, count, rules.window, false, &end))
      if ending == json_run_too_long {
        if try readLongMember(at: start, isObject: isObject, index: members, member) {
          start = afterSpace(lastEnd)
          members += 1
          guard start < count else { throw syntaxFault(Self.endsEarly, at: count) }
          if text[start] != UInt8(ascii: ",") {
            try checkClosing(start, isObject: isObject)
            break
          }
          start += 1
          continue
        }
        ending = Int(json_find_run(text, start, count, rules.window, true, &end))
        if ending == json_run_unclosed { throw endlessScalar(from: start) }
      }
      let isLast = try readRun(start..<end, ending: ending, isObject: isObject, index: &members, member)
      if isLast { break }
      start = end + 1
    }
    depth -= 1
    cursor = nil
  }

  /// Reads one run of an object or array, and looks at what ends it.
  ///
  /// - Returns: whether it is the last.
  private mutating func readRun(
    _ run: Range<Int>, ending: Int, isObject: Bool, index: inout Int,
    _ member: (inout JSONReader, borrowing Span<UInt8>) throws -> Void
  ) throws -> Bool {
    try parse(run, isObject ? .object : .array(from: index), isClosed: ending != json_run_unclosed)
    let isEmpty = tokens.count == 1
    // Behind a comma, and before one, there must be something.
    if isEmpty, ending == json_run_continues || (ending == json_run_closed && index > 0) {
      throw syntaxFault(isObject ? Self.keyExpected : Self.valueExpected, at: afterSpace(run.lowerBound))
    }
    if isObject {
      try readMembers(of: 0, member)
    } else {
      try readElements(of: 0, from: index) { try member(&$0, Span()) }
    }
    index += membersOfRun(isObject: isObject)
    if ending == json_run_continues { return false }
    if ending == json_run_unclosed { throw syntaxFault(Self.endsEarly, at: count) }
    try checkClosing(run.upperBound, isObject: isObject)
    return true
  }

  /// Passes the bracket that ends an object or array.
  private mutating func checkClosing(_ position: Int, isObject: Bool) throws {
    guard text[position] == UInt8(ascii: isObject ? "}" : "]") else {
      throw syntaxFault(isObject ? Self.commaOrBrace : Self.commaOrBracket, at: position)
    }
    lastEnd = position + 1
  }

  private func membersOfRun(isObject: Bool) -> Int {
    guard !isObject else { return 1 }  // nobody counts an object's
    var (token, members) = (1, 0)
    while token < tokens.count { (token, members) = (Int(tokens[token].next), members + 1) }
    return members
  }

  /// Reads a member whose value is an object or array longer than a run.
  ///
  /// - Returns: false if it is a string or a number: nothing is read then.
  private mutating func readLongMember(
    at start: Int, isObject: Bool, index: Int,
    _ member: (inout JSONReader, borrowing Span<UInt8>) throws -> Void
  ) throws -> Bool {
    var value = afterSpace(start)
    var content = StringContent(start: text, count: 0, parser: parser)
    if isObject {
      // Nothing but white space, which is all that is too long.
      if value < count, text[value] == UInt8(ascii: "}") { return false }
      guard value < count, text[value] == UInt8(ascii: "\"") else { throw syntaxFault(Self.keyExpected, at: value) }
      let end = json_string_end(text, value, count)
      guard end > 0 else { throw syntaxFault(Self.endlessString, at: value) }
      let key = value..<end
      value = afterSpace(end)
      guard value < count, text[value] == UInt8(ascii: ":") else {
        throw syntaxFault(Self.colonExpected(text(in: key)), at: value)
      }
      value = afterSpace(value + 1)
      guard value < count, isOpening(text[value]) else { return false }
      try parse(key, .key, isClosed: true)
      content = self.content(of: 1)
      steps.append(.key(key))
    } else {
      guard value < count, isOpening(text[value]) else { return false }
      steps.append(.index(index))
    }
    (cursor, place) = (nil, value)
    try content.withBytes { try member(&self, $0) }
    precondition(cursor == nil && lastEnd > value, "a member's value must be read or skipped")
    steps.removeLast()
    return true
  }

  private func endlessScalar(from start: Int) -> JSONError {
    let value = afterSpace(start)
    return value < count && text[value] == UInt8(ascii: "\"") && json_string_end(text, value, count) == 0
      ? syntaxFault(Self.endlessString, at: value) : syntaxFault(Self.endsEarly, at: count)
  }

  // MARK: Parsing

  /// What a run is.
  enum Run {
    /// The whole text: one value.
    case whole
    case object
    /// Elements from this one on.
    case array(from: Int)
    /// One key alone.
    case key
  }

  /// Gives a run to simdjson.
  ///
  /// - Parameter isClosed: whether something follows the run, its container's end or a comma.
  private mutating func parse(_ range: Range<Int>, _ run: Run, isClosed: Bool) throws {
    var isObject = false
    if case .object = run { isObject = true }
    var fault = 0
    var tokens: UnsafePointer<json_token>?
    var tokenCount = 0
    let code = json_parse(
      parser, text + range.lowerBound, range.count, isObject, UInt32(depth), UInt32(rules.maximumDepth),
      rules.isLenient,
      &tokens, &tokenCount, &fault)
    self.tokens = UnsafeBufferPointer(start: tokens, count: tokenCount)
    (runStart, runNumber) = (range.lowerBound, runNumber + 1)
    guard Int(code) != json_fine else { return }
    throw self.fault(Int(code), at: fault, range, run, isClosed: isClosed)
  }

  func afterSpace(_ start: Int) -> Int {
    var position = start
    while position < count, [0x20, 0x0A, 0x0D, 0x09].contains(text[position]) { position += 1 }
    return position
  }

  private func isOpening(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") }
}
