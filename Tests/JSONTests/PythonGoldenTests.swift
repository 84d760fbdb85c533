import Foundation
import JSON
import Testing

/// What Python's json makes of the same texts (tools/goldens/json/make.py).
@Suite("JSON texts that Python has read")
struct PythonGoldenTests {
  struct Golden: Sendable {
    let text: [UInt8]
    /// As make.py writes values; nil where Python refuses the text.
    let value: String?
  }

  static func goldens() throws -> [Golden] {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens/python.txt")
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map { line in
      let parts = line.split(separator: " ", omittingEmptySubsequences: false)
      let value = String(try #require(parts.last))
      return Golden(text: try bytes(hexadecimal: parts[0]), value: value == "!" ? nil : value)
    }
  }

  private static func bytes(hexadecimal: Substring) throws -> [UInt8] {
    let digits = try hexadecimal.map { try #require($0.hexDigitValue) }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  @Test("are read to the same values, whatever the length of simdjson's runs", arguments: [1 << 16, 64, 20, 8, 3, 1])
  func values(window: Int) throws {
    for golden in try Self.goldens() {
      var rules = JSONReader.Rules(isLenient: true)
      rules.window = window
      var found: String?
      do { found = try JSONReader.read(golden.text, rules: rules) { try written(&$0) } } catch is JSONError {}
      // A key whose escapes mean nothing is nobody's, and isn't refused here.
      if golden.value == nil, !isSoundAsWritten(golden.text, window) { found = nil }
      #expect(found == golden.value, "\(String(decoding: golden.text, as: UTF8.self).debugDescription)")
    }
  }

  @Test("are refused where they are skipped alone, too, NaN and Infinity among them", arguments: [1 << 16, 8, 1])
  func skipped(window: Int) throws {
    for golden in try Self.goldens() {
      let text = String(decoding: golden.text, as: UTF8.self)
      let isSound = golden.value != nil && !text.contains("NaN") && !text.contains("Infinity")
      #expect(isSoundAsWritten(golden.text, window) == isSound, "\(text.debugDescription)")
    }
  }

  /// Whether a reader that isn't lenient passes over the text.
  private func isSoundAsWritten(_ text: [UInt8], _ window: Int) -> Bool {
    var rules = JSONReader.Rules()
    rules.window = window
    do {
      _ = try JSONReader.read(text, rules: rules) { try $0.skipValue() }
      return true
    } catch {
      return false
    }
  }
}

/// A value as make.py writes it.
private func written(_ reader: inout JSONReader) throws -> String {
  switch reader.peek() {
  case .null: return reader.readNull() ? "n" : "?"
  case .bool: return try reader.readBool() ? "t" : "f"
  case .string: return "s" + hexadecimal(try reader.readByteString().bytes)
  case .number:
    switch try reader.readNumber() {
    case .integer(let number): return "i\(number)"
    case .unsigned(let number): return "i\(number)"
    case .double(let number): return "d" + bits(number)
    case .beyond(let number): return "b" + bits(number)
    }
  case .array:
    var elements: [String] = []
    try reader.readArray { elements.append(try written(&$0)) }
    return "[" + elements.joined(separator: ",") + "]"
  case .object:
    var members: [String] = []
    try reader.readObject { reader, key in
      let name = "s" + hexadecimal(key.byteString.bytes)
      members.append(name + ":" + (try written(&reader)))
    }
    return "{" + members.joined(separator: ",") + "}"
  }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

private func bits(_ number: Double) -> String {
  guard !number.isNaN else { return "nan" }
  let digits = String(number.bitPattern, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
