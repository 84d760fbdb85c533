/// What is known of the runs, side by side.
public struct AttributeTable: Sendable, Equatable, Encodable {
  public struct Row: Sendable, Equatable, Encodable {
    public let name: String
    /// Of each run; nil if its file doesn't have it.
    public let values: [String?]
    /// Whether the runs' values are not all the same.
    public let differs: Bool
  }

  /// In the order of the alphabet.
  public let rows: [Row]

  /// Attributes that tell of a run, not of what was computed.
  public static let incidental: Set<String> = [
    "Conventions", "created", "format_version", "ranks", "seconds_scoring", "title",
  ]

  init(_ runs: [ComparedRun]) {
    let tables = runs.map { run in Dictionary(run.attributes.map { ($0.name, $0.value) }) { first, _ in first } }
    let names = Set(tables.flatMap(\.keys)).subtracting(Self.incidental).sorted()
    rows = names.map { name in
      let values = tables.map { $0[name] }
      return Row(name: name, values: values, differs: Set(values).count > 1)
    }
  }

  public var differing: [Row] { rows.filter(\.differs) }
}
