import Foundation

/// Rows in columns, the first row as their heads.
func aligned(_ rows: [[String]]) -> String {
  let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  return rows.map { row in
    zip(row, widths).map { text, width in text + String(repeating: " ", count: width - text.count) }
      .joined(separator: "  ").trimmingCharacters(in: .whitespaces)
  }.joined(separator: "\n")
}

/// JSON as people read it, with the keys in the order of snake_case names.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  encoder.keyEncodingStrategy = .convertToSnakeCase
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
