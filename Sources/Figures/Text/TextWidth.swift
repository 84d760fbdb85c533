/// The approximate width of a text in a sans-serif font, rather too wide: DejaVu Sans, the widest of those in which
/// pages are commonly shown. Layout uses it, so that labels don't overlap in any font.
///
/// - Units: pixels, as `size`.
public func textWidth(_ text: String, size: Double) -> Double {
  size * text.unicodeScalars.reduce(0) { $0 + emWidth($1) }
}

private func emWidth(_ scalar: Unicode.Scalar) -> Double {
  switch scalar {
  case "i", "j", "l", ".", ",", ":", ";", "'", "|", "!", " ", "I": 0.34
  case "f", "t", "r", "(", ")", "[", "]", "-", "/", "\"": 0.42
  case "m", "w", "M", "W", "%", "@": 0.98
  case "0"..."9": 0.64
  case "a"..."z": 0.62
  case "A"..."Z": 0.72
  case "+", "±", "−", "–", "=", "<", ">", "·", "×": 0.84
  case "\u{0300}"..."\u{036f}": 0
  case "\u{80}"..."\u{24f}": 0.68
  // Greek and Cyrillic; beyond, among others, ideographs.
  case "\u{250}"..."\u{52f}": 0.76
  default: 1
  }
}

/// `text`, cut to fit `width` with an ellipsis where it is wider.
public func shortened(_ text: String, to width: Double, size: Double) -> String {
  guard textWidth(text, size: size) > width else { return text }
  var kept = text
  while !kept.isEmpty, textWidth(kept + "…", size: size) > width { kept.removeLast() }
  return kept + "…"
}

/// `text` in lines of at most `width`, broken at spaces.
public func wrapped(_ text: String, to width: Double, size: Double) -> [String] {
  var lines: [String] = []
  var line = ""
  for word in text.split(whereSeparator: \.isWhitespace) {
    let longer = line.isEmpty ? String(word) : line + " " + word
    if line.isEmpty || textWidth(longer, size: size) <= width {
      line = longer
    } else {
      lines.append(line)
      line = String(word)
    }
  }
  return line.isEmpty ? lines : lines + [line]
}

/// `text`, cut to so many characters with an ellipsis where it has more.
public func shortened(_ text: String, to count: Int) -> String {
  text.count <= count ? text : text.prefix(count - 1) + "…"
}

/// "a", "a and b", "a, b and c".
public func listed(_ items: [String]) -> String {
  guard let last = items.last, items.count > 1 else { return items.first ?? "" }
  return items.dropLast().joined(separator: ", ") + " and " + last
}
