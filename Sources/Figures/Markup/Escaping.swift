/// Text for HTML, SVG and their attributes, with markup characters escaped. Characters that
/// XML doesn't allow become U+FFFD, so that every SVG file can be read.
public func escaped(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result.append(contentsOf: "&amp;".unicodeScalars)
    case "<": result.append(contentsOf: "&lt;".unicodeScalars)
    case ">": result.append(contentsOf: "&gt;".unicodeScalars)
    case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
    case "\t", "\n", "\r": result.append(scalar)
    case "\u{0}"..."\u{1f}", "\u{fffe}", "\u{ffff}": result.append("\u{fffd}")
    default: result.append(scalar)
    }
  }
  return String(result)
}
