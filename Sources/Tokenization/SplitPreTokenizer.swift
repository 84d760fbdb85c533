import JSON

/// What becomes of the stretches that a pattern matches.
enum SplitBehavior: String, CaseIterable {
  case isolated = "Isolated"
  case removed = "Removed"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"

  /// Cuts a piece at the matches within it.
  ///
  /// - Parameter inverted: Whether what lies between the matches counts as match.
  func pieces(of piece: Range<Int>, matches: [Range<Int>], inverted: Bool) -> [Range<Int>] {
    var spans: [(range: Range<Int>, isMatch: Bool)] = []
    spans.reserveCapacity(matches.count + 1)
    var end = piece.lowerBound
    for match in matches {
      if end != match.lowerBound { spans.append((end..<match.lowerBound, inverted)) }
      spans.append((match, !inverted))
      end = match.upperBound
    }
    if end != piece.upperBound { spans.append((end..<piece.upperBound, inverted)) }
    return arrange(spans).filter { !$0.isEmpty }
  }

  private func arrange(_ spans: [(range: Range<Int>, isMatch: Bool)]) -> [Range<Int>] {
    switch self {
    case .isolated: return spans.map(\.range)
    case .removed: return spans.filter { !$0.isMatch }.map(\.range)
    case .contiguous: return joined(spans) { isMatch, wasMatch in isMatch == wasMatch }
    case .mergedWithPrevious: return joined(spans) { isMatch, wasMatch in isMatch && !wasMatch }
    case .mergedWithNext: return joined(spans.reversed()) { isMatch, wasMatch in isMatch && !wasMatch }.reversed()
    }
  }

  /// Joins each span to the one visited before it if `joins` returns true.
  private func joined(
    _ spans: [(range: Range<Int>, isMatch: Bool)], where joins: (_ isMatch: Bool, _ wasMatch: Bool) -> Bool
  ) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var wasMatch = false
    for (range, isMatch) in spans {
      if joins(isMatch, wasMatch), let last = result.last {
        result[result.count - 1] =
          min(last.lowerBound, range.lowerBound)..<max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
      wasMatch = isMatch
    }
    return result
  }
}

/// Cuts pieces where a pattern matches.
struct SplitPreTokenizer: Sendable {
  private let expression: RegularExpression
  private let behavior: SplitBehavior
  private let invert: Bool
  private let file: String
  private let key: String

  init(_ node: JSONNode) throws {
    let pattern = try node.required("pattern")
    if let regex = try pattern.optional("Regex") {
      expression = try RegularExpression(try regex.string().text, at: regex)
    } else if let literal = try pattern.optional("String") {
      // The empty string is found between any two characters.
      expression = try RegularExpression(Self.escaped(try literal.string().text), at: literal)
    } else {
      throw pattern.fault("an object with the key \"Regex\" or \"String\" was expected")
    }
    let name = try node.required("behavior")
    guard let behavior = SplitBehavior(rawValue: try name.string().text) else {
      let known = SplitBehavior.allCases.map(\.rawValue).joined(separator: ", ")
      throw name.fault("\(try name.string().quoted) is not one of \(known)")
    }
    self.behavior = behavior
    invert = try node.bool("invert", default: false)
    file = node.file
    key = pattern.key
  }

  private static func escaped(_ text: String) -> String {
    var view = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if #"\.+*?()|[]{}^$#&-~"#.unicodeScalars.contains(scalar) { view.append("\\") }
      view.append(scalar)
    }
    return String(view)
  }

  func apply(to text: inout PreTokenizedText) throws {
    do {
      try text.split(by: expression, behavior, inverted: invert)
    } catch let error as RegularExpression.MatchFailure {
      throw TokenizationError(file: file, key: key, problem: error.problem)
    }
  }
}

extension PreTokenizedText {
  /// Cuts each piece where the expression matches, each for itself: nothing looks over a piece's edge.
  mutating func split(by expression: RegularExpression, _ behavior: SplitBehavior, inverted: Bool) throws {
    pieces = try text.bytes.withUnsafeBufferPointer { bytes in
      var result: [Range<Int>] = []
      result.reserveCapacity(bytes.count / 4)
      for piece in pieces {
        let found = try expression.matches(in: UnsafeBufferPointer(rebasing: bytes[piece]))
        let matches = found.map { ($0.lowerBound + piece.lowerBound)..<($0.upperBound + piece.lowerBound) }
        result.append(contentsOf: behavior.pieces(of: piece, matches: matches, inverted: inverted))
      }
      return result
    }
  }
}
