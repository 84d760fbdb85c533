import Foundation

/// Text as it stands in HTML, SVG and their attributes; characters that XML doesn't allow become U+FFFD.
func escaped(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result.append(contentsOf: "&amp;".unicodeScalars)
    case "<": result.append(contentsOf: "&lt;".unicodeScalars)
    case ">": result.append(contentsOf: "&gt;".unicodeScalars)
    case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
    case "\u{0}"..."\u{8}", "\u{b}"..."\u{c}", "\u{e}"..."\u{1f}", "\u{fffe}", "\u{ffff}": result.append("\u{fffd}")
    default: result.append(scalar)
    }
  }
  return String(result)
}

/// A score as people read it: three digits that count.
func scoreText(_ value: Float) -> String { String(format: "%.3g", Double(value)) }

/// Text that fits where so many characters fit.
func shortened(_ text: String, to length: Int) -> String {
  text.count <= length ? text : text.prefix(length - 1) + "…"
}
