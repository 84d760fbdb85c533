import Foundation

/// A score as people read it: three digits that count.
func scoreText(_ value: Float) -> String { String(format: "%.3g", Double(value)) }

/// Text that fits where so many characters fit.
func shortened(_ text: String, to length: Int) -> String {
  text.count <= length ? text : text.prefix(length - 1) + "…"
}
