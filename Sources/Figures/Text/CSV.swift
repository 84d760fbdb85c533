/// Comma-separated values (RFC 4180, lines ended by a line feed), UTF-8.
public enum CSV {
  /// One line per row; fields are quoted if necessary.
  public static func text(_ rows: some Sequence<[String]>) -> String {
    var text = ""
    for row in rows {
      for (index, field) in row.enumerated() {
        if index > 0 { text += "," }
        text += quoted(field)
      }
      text += "\n"
    }
    return text
  }

  /// A number with full precision; empty if it is not finite.
  public static func field(_ number: Double) -> String { number.isFinite ? "\(number)" : "" }

  /// A number with full precision; empty if it is not finite.
  public static func field(_ number: Float) -> String { number.isFinite ? "\(number)" : "" }

  private static func quoted(_ text: String) -> String {
    let needsQuotes =
      text.utf8.contains { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || (0x0a...0x0d).contains($0) }
      || text.utf8.contains { $0 >= 0x80 } && text.contains(where: \.isNewline)
    return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
  }
}
