/// The value of a string literal, with Python's escapes (`unicode-escape`).
enum StringLiteral {
  struct Fault: Error { var problem: String }

  static func value(of scalars: ArraySlice<Unicode.Scalar>) throws -> String {
    var result = String.UnicodeScalarView()
    var rest = scalars
    while let scalar = rest.popFirst() {
      if scalar == "\\" {
        try appendEscape(&rest, to: &result)
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  private static func appendEscape(
    _ rest: inout ArraySlice<Unicode.Scalar>, to result: inout String.UnicodeScalarView
  ) throws {
    guard let kind = rest.popFirst() else { return }
    switch kind {
    case "\n": break
    case "\\", "'", "\"": result.append(kind)
    case "a": result.append("\u{7}")
    case "b": result.append("\u{8}")
    case "f": result.append("\u{c}")
    case "n": result.append("\n")
    case "r": result.append("\r")
    case "t": result.append("\t")
    case "v": result.append("\u{b}")
    case "0"..."7":
      var code = Int(kind.value) - 48
      for _ in 0..<2 {
        guard let next = rest.first, ("0"..."7").contains(next) else { break }
        rest.removeFirst()
        code = code * 8 + Int(next.value) - 48
      }
      result.append(try scalar(code, "\\\(String(code, radix: 8))"))
    case "x": result.append(try hexadecimal(&rest, digits: 2, "\\x"))
    case "u": result.append(try hexadecimal(&rest, digits: 4, "\\u"))
    case "U": result.append(try hexadecimal(&rest, digits: 8, "\\U"))
    case "N": throw Fault(problem: "the escape \\N{…} in a string is not supported")
    default:
      // Python keeps a backslash that starts no escape. jinja2 writes what is not ASCII as an escape before it decodes
      // the string, so that here the letters of that escape are left.
      result.append("\\")
      if kind.isASCII {
        result.append(kind)
      } else {
        result.append(contentsOf: escapeLetters(kind).unicodeScalars)
      }
    }
  }

  private static func hexadecimal(
    _ rest: inout ArraySlice<Unicode.Scalar>, digits: Int, _ escape: String
  ) throws -> Unicode.Scalar {
    var code = 0
    for _ in 0..<digits {
      guard let digit = rest.popFirst()?.hexDigit else {
        throw Fault(problem: "the escape \(escape) in a string needs \(digits) hexadecimal digits")
      }
      code = code * 16 + digit
    }
    return try scalar(code, escape + String(code, radix: 16))
  }

  private static func scalar(_ code: Int, _ escape: String) throws -> Unicode.Scalar {
    guard let scalar = UInt32(exactly: code).flatMap(Unicode.Scalar.init) else {
      let kind = (0xD800...0xDFFF).contains(code) ? "half of a surrogate pair" : "not a Unicode character"
      throw Fault(problem: "the escape \(escape) in a string is \(kind)")
    }
    return scalar
  }

  private static func escapeLetters(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16)
    switch scalar.value {
    case ..<0x100: return "x" + digits.leftPadded(to: 2, with: "0")
    case ..<0x10000: return "u" + digits.leftPadded(to: 4, with: "0")
    default: return "U" + digits.leftPadded(to: 8, with: "0")
    }
  }
}

extension String {
  func leftPadded(to width: Int, with pad: Character) -> String {
    let missing = width - unicodeScalars.count
    return missing > 0 ? String(repeating: pad, count: missing) + self : self
  }
}
