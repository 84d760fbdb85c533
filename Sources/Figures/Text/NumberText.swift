import Foundation
import IO

/// Numbers as text: `number` and its variants on a page, `plain` and its variants where only ASCII is sure to be
/// shown.
public enum NumberText {
  // MARK: - On a page

  /// A fixed number of decimals, a true minus sign, a dash if there is no number.
  public static func number(_ value: Double?, decimals: Int = 3) -> String {
    guard let value, value.isFinite else { return "–" }
    let text = plain(value, decimals: decimals)
    // What rounds to zero has no sign.
    guard text.hasPrefix("-") else { return text }
    let digits = text.dropFirst()
    return digits.contains { $0 != "0" && $0 != "." } ? "−" + digits : String(digits)
  }

  /// The same with its sign in any case, for differences.
  public static func signed(_ value: Double?, decimals: Int = 3) -> String {
    let text = number(value, decimals: decimals)
    return (value ?? 0) > 0 && text.contains { $0 != "0" && $0 != "." } ? "+" + text : text
  }

  /// A whole number with thousands separators.
  public static func grouped(_ value: Int) -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (place, digit) in digits.enumerated() {
      if place > 0, (digits.count - place) % 3 == 0 { text += "\u{202f}" }
      text.append(digit)
    }
    return (value < 0 ? "−" : "") + text
  }

  /// A count and what is counted: "1 sample", "64 samples".
  public static func counted(_ count: Int, _ thing: String, _ plural: String? = nil) -> String {
    "\(grouped(count)) \(agreeing(with: count, thing, plural))"
  }

  // MARK: - In ASCII

  /// A fixed number of decimals.
  public static func plain(_ value: Double, decimals: Int = 4) -> String {
    let text = String(format: "%.\(decimals)f", value)
    return isZero(text) ? text.replacing("-", with: "") : text
  }

  /// The same with its sign, for differences. What rounds to zero has none.
  public static func plainSigned(_ value: Double, decimals: Int = 4) -> String {
    let text = plain(value, decimals: decimals)
    return value > 0 && !isZero(text) ? "+" + text : text
  }

  private static func isZero(_ text: String) -> Bool { text.allSatisfy { "-0.".contains($0) } }

  /// Only significant digits.
  public static func significant(_ value: Double, digits: Int = 3) -> String { String(format: "%.\(digits)g", value) }
}
