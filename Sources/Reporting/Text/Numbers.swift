import Foundation

/// A number as people read it: a fixed number of decimals, a true minus sign, a dash if there is none.
func number(_ value: Double?, decimals: Int = 3) -> String {
  guard let value, value.isFinite else { return "–" }
  let text = String(format: "%.\(decimals)f", value)
  // What rounds to zero has no sign.
  guard text.hasPrefix("-") else { return text }
  let digits = text.dropFirst()
  return digits.contains { $0 != "0" && $0 != "." } ? "−" + digits : String(digits)
}

/// The same with its sign in any case, for differences.
func signed(_ value: Double?, decimals: Int = 3) -> String {
  let text = number(value, decimals: decimals)
  return (value ?? 0) > 0 && text.contains { $0 != "0" && $0 != "." } ? "+" + text : text
}

/// A whole number with thousands separators.
func grouped(_ value: Int) -> String {
  let digits = String(value.magnitude)
  var text = ""
  for (place, digit) in digits.enumerated() {
    if place > 0, (digits.count - place) % 3 == 0 { text += "\u{202f}" }
    text.append(digit)
  }
  return (value < 0 ? "−" : "") + text
}

/// A count and what is counted: "1 sample", "64 samples".
func counted(_ count: Int, _ thing: String, _ plural: String? = nil) -> String {
  "\(grouped(count)) \(count == 1 ? thing : plural ?? thing + "s")"
}

/// "a", "a and b", "a, b and c".
func listed(_ items: [String]) -> String {
  guard let last = items.last, items.count > 1 else { return items.first ?? "" }
  return items.dropLast().joined(separator: ", ") + " and " + last
}
