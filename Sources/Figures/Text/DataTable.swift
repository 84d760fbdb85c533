/// The numbers of a figure or a table: what its CSV file holds, and what a page's table shows.
public struct DataTable: Sendable {
  public struct Column: Sendable {
    /// In the CSV file, in the manner of hi.h5's names: `hi_chance`.
    public let name: String
    /// On the page.
    public let heading: String
    /// On the page; the file has every digit.
    public let decimals: Int
    /// Whether the page shows a plus sign, for differences.
    public let isSigned: Bool
    /// What a phone has no room for; the file has it.
    public let isExtra: Bool

    public init(
      _ name: String, _ heading: String, decimals: Int = 3, isSigned: Bool = false, isExtra: Bool = false
    ) {
      self.name = name
      self.heading = heading
      self.decimals = decimals
      self.isSigned = isSigned
      self.isExtra = isExtra
    }
  }

  public enum Value: Sendable, Equatable {
    case text(String)
    case integer(Int)
    /// What is not a number is shown as a dash and left empty in the file.
    case number(Double)

    public static func optional(_ value: Double?) -> Value { .number(value ?? .nan) }

    public var isText: Bool { if case .text = self { true } else { false } }
  }

  public let columns: [Column]
  public private(set) var rows: [[Value]]

  /// - Parameter rows: each with one value per column.
  public init(_ columns: [Column], _ rows: [[Value]]) {
    precondition(rows.allSatisfy { $0.count == columns.count }, "a row with more or fewer values than columns")
    self.columns = columns
    self.rows = rows
  }

  /// As comma-separated values, with the columns' names first.
  public var csv: String { CSV.text([columns.map(\.name)] + rows.map { $0.map(Self.field) }) }

  /// As the page shows a value of a column.
  public func shown(_ value: Value, in column: Column) -> String {
    switch value {
    case .text(let text): text
    case .integer(let integer): NumberText.grouped(integer)
    case .number(let value):
      column.isSigned
        ? NumberText.signed(value, decimals: column.decimals) : NumberText.number(value, decimals: column.decimals)
    }
  }

  private static func field(_ value: Value) -> String {
    switch value {
    case .text(let text): text
    case .integer(let integer): String(integer)
    case .number(let number): CSV.field(number)
    }
  }
}
