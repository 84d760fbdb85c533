/// What is wrong with a JSON text, and where.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  /// A place in a text.
  package struct Place: Equatable, Sendable {
    /// Counted from 0.
    package let byte: Int
    /// Counted from 1; the column in bytes.
    package let line: Int
    package let column: Int
  }

  /// The value inside the text, such as `annotations[3].bbox`; empty for the whole.
  package let path: String
  /// Where the text stops being JSON; nil if it is JSON, and a value isn't what is expected.
  package let syntaxPlace: Place?
  package let problem: String

  package init(path: String, syntaxPlace: Place? = nil, problem: String) {
    self.path = path
    self.syntaxPlace = syntaxPlace
    self.problem = problem
  }

  /// Whether the text isn't JSON, so that nothing behind this place can be read.
  package var isSyntax: Bool { syntaxPlace != nil }

  /// The problem with its place, as line and column.
  package var sentence: String {
    guard let place = syntaxPlace else { return problem }
    return "not JSON at line \(place.line), column \(place.column): \(problem)"
  }

  package var description: String { path.isEmpty ? sentence : "\(path): \(sentence)" }
}
