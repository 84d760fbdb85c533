import JSON

/// What a stage looks for in a text: a string as it is, or a regular expression.
struct TextPattern: Sendable {
  private enum Kind: Sendable {
    case literal([UInt8])
    case expression(RegularExpression)
  }

  private let kind: Kind
  private let file: String
  private let key: String

  /// - Parameter node: an object with the key `String` or `Regex`.
  /// - Throws: `TokenizationError` if it has neither, the string is empty, or the expression can't be used.
  init(_ node: JSONNode) throws {
    if let regex = try node.optional("Regex") {
      kind = .expression(try RegularExpression(try regex.string().text, at: regex))
    } else if let literal = try node.optional("String") {
      guard try !literal.string().bytes.isEmpty else { throw literal.fault("there is nothing to look for in \"\"") }
      kind = .literal(try literal.string().bytes)
    } else {
      throw node.fault("an object with the key \"Regex\" or \"String\" was expected")
    }
    (file, key) = (node.file, node.key)
  }

  /// Where it occurs, from left to right, none overlapping another.
  ///
  /// - Throws: `TokenizationError` if matching was given up.
  func matches(in bytes: [UInt8]) throws -> [Range<Int>] {
    switch kind {
    case .literal(let literal): return Self.occurrences(of: literal, in: bytes)
    case .expression(let expression):
      do {
        return try bytes.withUnsafeBufferPointer { try expression.matches(in: $0) }
      } catch let error as RegularExpression.MatchFailure {
        throw TokenizationError(file: file, key: key, problem: error.problem)
      }
    }
  }

  /// How many times as long a text can become when stages put other texts in the place of patterns: a short file must not ask
  /// for all memory.
  static let mostGrowth = Double(1 << 20)

  /// How many times as long a text can become with `content` where the pattern was.
  func growth(by content: ByteString) -> Double {
    switch kind {
    case .literal(let literal): Self.growth(of: literal, by: content)
    case .expression: Double(content.bytes.count + 1)
    }
  }

  static func growth(of literal: [UInt8], by content: ByteString) -> Double {
    max(1, Double(content.bytes.count) / Double(literal.count))
  }

  /// - Throws: `TokenizationError` if stages together make a text too long.
  static func check(growth: Double, at node: JSONNode) throws {
    guard growth > mostGrowth else { return }
    throw node.fault("can make a text \(growth) times as long; at most \(mostGrowth) times is supported")
  }

  /// The pattern's string, where it is one.
  ///
  /// - Throws: `TokenizationError` if it is an expression or empty.
  static func literal(_ node: JSONNode) throws -> ByteString {
    guard case .literal(let bytes) = try TextPattern(node).kind else {
      throw node.fault("a regular expression is not supported here; a \"String\" was expected")
    }
    return ByteString(bytes)
  }

  /// The text with `content` where the literal was.
  static func replacing(_ literal: [UInt8], in bytes: [UInt8], with content: [UInt8]) -> [UInt8] {
    let matches = occurrences(of: literal, in: bytes)
    guard !matches.isEmpty else { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + matches.count * content.count)
    var end = 0
    for match in matches {
      result += bytes[end..<match.lowerBound]
      result += content
      end = match.upperBound
    }
    return result + bytes[end...]
  }

  /// - Parameter literal: not empty.
  static func occurrences(of literal: [UInt8], in bytes: [UInt8]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var index = 0
    while index + literal.count <= bytes.count {
      if bytes[index] == literal[0], bytes[index..<(index + literal.count)].elementsEqual(literal) {
        result.append(index..<(index + literal.count))
        index += literal.count
      } else {
        index += 1
      }
    }
    return result
  }
}

extension RegularExpression {
  /// - Throws: `TokenizationError` at the node if the pattern doesn't compile.
  convenience init(_ pattern: String, at node: JSONNode) throws {
    do {
      try self.init(pattern)
    } catch let error as RegularExpression.Invalid {
      throw node.fault("\(ByteString(pattern).quoted) is not a regular expression that can be used: \(error.problem)")
    }
  }
}
