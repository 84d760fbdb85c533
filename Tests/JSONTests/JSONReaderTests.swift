import JSON
import Testing

private func rules(window: Int = 1 << 16, depth: Int = 128, isLenient: Bool = false) -> JSONReader.Rules {
  var rules = JSONReader.Rules(maximumDepth: depth, isLenient: isLenient)
  rules.window = window
  return rules
}

private func skip(_ text: String, _ rules: JSONReader.Rules = .init()) throws {
  try JSONReader.read(Array(text.utf8), rules: rules) { _ = try $0.skipValue() }
}

private func number(_ text: String) throws -> JSONNumber {
  try JSONReader.read(Array(text.utf8), rules: rules(isLenient: true)) { try $0.readNumber() }
}

@Suite("JSON values")
struct JSONReaderTests {
  @Test("whole numbers of 64 bits are exact, and known from what is written with a point")
  func numbers() throws {
    #expect(try number("9007199254740993") == .integer((1 << 53) + 1))
    #expect(try number("9223372036854775807") == .integer(.max))
    #expect(try number("-9223372036854775808") == .integer(.min))
    #expect(try number("18446744073709551615") == .unsigned(.max))
    #expect(try number("18446744073709551616") == .beyond(18_446_744_073_709_551_616))
    #expect(try number("7.0") == .double(7))
    #expect(try number("1e3") == .double(1000))
    #expect(try number("1e400") == .beyond(.infinity))
    #expect(try number("-Infinity") == .beyond(-.infinity))
    #expect(try number("1e-400") == .double(0))
    // simdjson 3.0 gets these wrong.
    #expect(try number("0.33333333333333333333") == .double(1.0 / 3))
    #expect(try number("1111111111111111111111111111.5") == .double(1111111111111111111111111111.5))
  }

  @Test("minus zero keeps its sign as a double")
  func minusZero() throws {
    #expect(try number("-0") == .integer(0))
    let zero = try JSONReader.read(Array("-0".utf8)) { try $0.readDouble() }
    #expect(zero == 0 && zero.sign == .minus)
  }

  @Test("strings are bytes: canonically equal ones are two, and NUL is one of them")
  func strings() throws {
    let text = Array(#"{"\u00e9": 1, "e\u0301": 2, "\u0000": "\ud83d\ude00\"\\\/\b\f\n\r\t"}"#.utf8)
    guard case .object(let members) = try JSONValue.read(text) else { return #expect(Bool(false)) }
    #expect(members.map(\.key.bytes) == [[0xC3, 0xA9], [0x65, 0xCC, 0x81], [0]])
    #expect(members[2].value == .string(ByteString("😀\"\\/\u{8}\u{C}\n\r\t")))
  }

  @Test("a member that occurs twice is visited twice")
  func duplicates() throws {
    var seen: [String] = []
    try JSONReader.read(Array(#"{"a": 1, "a": 2, "\u0061": 3}"#.utf8)) { reader in
      try reader.readObject { reader, key in
        seen.append(key.text)
        let isSame = key.isSame(as: "a")
        #expect(isSame)
        try reader.skipValue()
      }
    }
    #expect(seen == ["a", "a", "a"])
  }

  @Test("what a lenient reader refuses in a string it passes over where nobody reads it")
  func lenient() throws {
    for bad in [Array(#""\ud800""#.utf8), Array(#""\q""#.utf8), [0x22, 0xFF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
      let text = Array("[".utf8) + bad + Array(", 7]".utf8)
      for window in [1 << 16, 4] {
        try JSONReader.read(text, rules: rules(window: window, isLenient: true)) { reader in
          var isFirst = true
          try reader.readArray { reader in
            if isFirst {
              let mark = reader.mark
              var isRefused = false
              do { _ = try reader.readString() } catch is JSONError { isRefused = true }
              #expect(isRefused)
              reader.goBack(to: mark)
              let range = try reader.skipValue()
              #expect(range == 1..<1 + bad.count)
            } else {
              let number = try reader.readNumber()
              #expect(number == .integer(7))
            }
            isFirst = false
          }
        }
        #expect(throws: JSONError.self) {
          try JSONReader.read(text, rules: rules(window: window)) { _ = try $0.skipValue() }
        }
      }
    }
    #expect(throws: JSONError.self) { try skip("[NaN]") }
    #expect(throws: JSONError.self) {
      try JSONReader.read([0x5B, 0xFF, 0x5D], rules: rules(isLenient: true)) { _ = try $0.skipValue() }
    }
  }

  @Test("paths and places say where the reader is, whatever the length of the runs", arguments: [1 << 16, 30, 1])
  func places(window: Int) throws {
    let text = #"{"list": [{"a": [1, 2]}, {"b": {"\u0063": true}}], "z": null}"#
    var paths: [String] = []
    var values: [String] = []
    func walk(_ reader: inout JSONReader) throws {
      let start = reader.position
      switch reader.peek() {
      case .object: try reader.readObject { reader, _ in try walk(&reader) }
      case .array: try reader.readArray { try walk(&$0) }
      default:
        paths.append(reader.path)
        try reader.skipValue()
      }
      let end = reader.lastEnd
      values.append(String(decoding: Array(text.utf8)[start..<end], as: UTF8.self))
    }
    try JSONReader.read(Array(text.utf8), rules: rules(window: window)) { try walk(&$0) }
    #expect(paths == ["list[0].a[0]", "list[0].a[1]", "list[1].b.c", "z"])
    #expect(values.contains("[1, 2]") && values.contains(#"{"b": {"\u0063": true}}"#) && values.last == text)
  }

  @Test("a value that was begun can be gone back to", arguments: [1 << 16, 10, 1])
  func goingBack(window: Int) throws {
    struct Stop: Error {}
    try JSONReader.read(Array(#"[[1, {"a": [2, 3]}], 4]"#.utf8), rules: rules(window: window)) { reader in
      var paths: [String] = []
      try reader.readArray { reader in
        let mark = reader.mark
        do {
          try reader.readArray { reader in
            if reader.peek() == .object { throw Stop() }
            try reader.skipValue()
          }
        } catch is Stop {} catch is JSONError {}
        reader.goBack(to: mark)
        paths.append(reader.path)
        try reader.skipValue()
      }
      #expect(paths == ["[0]", "[1]"])
    }
  }
}

@Suite("Broken JSON")
struct BrokenJSONTests {
  @Test(
    "is refused with its place",
    arguments: [
      ("", "line 1, column 1: the text ends"), ("  \n ", "line 2, column 2: the text ends"),
      ("{\n  \"a\": 1,\n}", "line 3, column 1: a key in double quotes"),
      ("[1,\n2 3]", "line 2, column 3: a comma or a closing bracket"),
      (#"{"a": {"b": [1, 2}}"#, "a.b: not JSON at line 1, column 18: a comma or a closing bracket"),
      (#"{"a": {"b" 1}}"#, #"a.b: not JSON at line 1, column 12: a colon was expected after the key "b""#),
      (#"{"a": [0, {"b": tru}]}"#, "a[1].b: not JSON at line 1, column 17: a JSON value"),
      (#"{"a": 1 "b": 2}"#, "column 9: a comma or a closing brace"), ("[1] x", "column 5: something follows"),
      ("[1] ]", "column 5: something follows"), ("[01]", "[0]: not JSON at line 1, column 2: 01 is not a number"),
      ("[\"a\nb\"]", "control character"), (#"["\ud800"]"#, "surrogate"),
      ("[\"abc", "column 2: the string that begins here"),
      ("[1", "column 3: the text ends"), ("{", "column 2: the text ends"), ("nul", "column 1: a JSON value"),
      ("\u{FEFF}[]", "column 1: a JSON value"), ("[1,]", "column 4: a JSON value"),
      (#"["id": 1]"#, "column 6: a comma"),
    ])
  func places(text: String, words: String) throws {
    let error = try #require(throws: JSONError.self) { try skip(text) }
    #expect(error.description.contains(words), "\(error)")
    #expect(error.isSyntax)
  }

  @Test("is refused in runs as in one piece, with the same place where the syntax is at fault", arguments: [1, 5, 16])
  func runs(window: Int) throws {
    for text in [
      "[1, [2, [3, 4}]]]", #"{"a": {"b": 1, "c" 2}}"#, "[[1, 2], [3,, 4]]", "[[[[", #"{"a": [1, 2], }"#, "[ ", "[1, 2",
    ] {
      let whole = try #require(throws: JSONError.self) { try skip(text) }
      let runs = try #require(throws: JSONError.self) { try skip(text, rules(window: window)) }
      #expect(whole.syntaxPlace == runs.syntaxPlace, "\(text): \(whole), \(runs)")
    }
  }

  @Test("cut at any byte is refused", arguments: [1 << 16, 12, 1])
  func truncated(window: Int) {
    let text = Array(#"{"a": [1.5e3, true, null, "x\u00e9\\", {"b": [[], {}], "é": -7}], "c": "d"}"#.utf8)
    for length in text.indices {
      #expect(throws: JSONError.self, "\(length)") {
        try JSONReader.read(Array(text[..<length]), rules: rules(window: window)) { _ = try $0.skipValue() }
      }
    }
  }

  @Test("nested without end is refused before the stack runs out", arguments: [1 << 16, 64, 1])
  func nested(window: Int) throws {
    for text in ["[", #"{"a":"#, #"[{"a":"#, "[[],"] {
      let deep = String(repeating: text, count: window == 1 ? 2_000 : 300_000)
      let error = try #require(throws: JSONError.self) { try skip(deep, rules(window: window, depth: 32)) }
      #expect(error.problem.contains("nested deeper than 32 levels") || error.isSyntax)
    }
    let sound = String(repeating: "[", count: 32) + String(repeating: "]", count: 32)
    try skip(sound, rules(window: window, depth: 32))
    #expect(throws: JSONError.self) { try skip("[\(sound)]", rules(window: window, depth: 32)) }
  }

  @Test("of strings, numbers and white space without end is refused or read")
  func long() throws {
    let length = 1_000_000
    let digits = String(repeating: "7", count: length)
    #expect(try number(digits) == .beyond(.infinity))
    let string = try JSONReader.read(Array("[\"\(digits)\"]".utf8)) { reader in
      var string = ""
      try reader.readArray { string = try $0.readString() }
      return string
    }
    #expect(string.utf8.count == length)
    try skip("[" + String(repeating: " ", count: length) + "]")
    try skip("{" + String(repeating: "\n", count: length) + "\"\(digits)\": {\"\(digits)\" : [\(digits)]}}")
    #expect(throws: JSONError.self) { try skip("[\"\(digits)") }
    #expect(throws: JSONError.self) { try skip("[" + String(repeating: "\"\\", count: length)) }
  }

  @Test("with a number that no double holds is no tree")
  func beyond() throws {
    let error = try #require(throws: JSONError.self) { try JSONValue.read(Array(#"{"a": [1e400]}"#.utf8)) }
    #expect(error.path == "a[0]" && error.problem.contains("1e400"))
  }
}
