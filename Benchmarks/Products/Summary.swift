import Kernels

/// How many products reach the goals: of each kind, and of all passes.
struct Summary {
  /// Products that share a line of the table.
  private struct Kind: Hashable {
    let precision: Precision
    let threads: Int
    let direction: Case.Direction
    let rows: Int

    init(_ product: Case) {
      (precision, threads, direction, rows) = (product.precision, product.threads, product.direction, product.rows)
    }
  }

  private let lines: [Line]

  init(_ lines: [Line]) { self.lines = lines }

  /// The table, in the order in which the kinds were measured, and a sentence on all passes.
  var text: [String] {
    guard !lines.isEmpty else { return [] }
    var kinds: [Kind] = []
    for line in lines where !kinds.contains(Kind(line.product)) { kinds.append(Kind(line.product)) }
    let heading = Self.row(
      "type", "threads", "direction", "rows", "products", "goal", "reached", "median", "lowest", "", "best library")
    return ["", heading] + kinds.map { kind in row(kind, lines.filter { Kind($0.product) == kind }) } + passes
  }

  private static func row(_ cells: String...) -> String {
    Table.row(cells, widths: [-5, 7, -9, 5, 8, 20, 8, 6, 6, -28, 12])
  }

  /// What the goal of a product is about. The limit of a few rows is the reading of weights or the multiply-adds, whichever takes
  /// longer.
  private static func reached(_ line: Line) -> Double {
    line.isPass ? line.efficiency : max(line.efficiency, line.bandwidthShare)
  }
  private static func goal(_ isPass: Bool) -> Double { isPass ? Table.goal : Table.fewRowsGoal }

  private func row(_ kind: Kind, _ lines: [Line]) -> String {
    let isPass = kind.rows >= Table.passRows
    let sorted = lines.sorted { Self.reached($0) < Self.reached($1) }
    let reaching = lines.count { Self.reached($0) >= Self.goal(isPass) }
    return Self.row(
      kind.precision.rawValue, "\(kind.threads)", kind.direction.rawValue, "\(kind.rows)", "\(lines.count)",
      "\(Table.share(Self.goal(isPass))) of the \(isPass ? "peak" : "limit")", "\(reaching)",
      Table.share(Self.reached(sorted[sorted.count / 2])), Table.share(Self.reached(sorted[0])),
      sorted[0].product.shape.name,
      Self.comparison(lines))
  }

  /// How many are at least as fast as the better library, of those that a library has.
  private static func comparison(_ lines: [Line]) -> String {
    let ratios = lines.compactMap(\.ratio)
    return ratios.isEmpty ? "–" : "\(ratios.count { $0 >= 1 }) of \(ratios.count)"
  }

  private var passes: [String] {
    let passes = lines.filter(\.isPass)
    guard let worst = passes.min(by: { $0.efficiency < $1.efficiency }) else { return [] }
    let reached = passes.count { $0.efficiency >= Table.goal }
    let compared = Self.comparison(passes)
    return [
      "",
      "Of \(passes.count) products of \(Table.passRows) rows or more, \(reached) reach \(Table.share(Table.goal)) of the peak; "
        + "the lowest is \(Table.share(worst.efficiency)) (\(worst.product.shape.name), \(worst.product.rows) rows)."
        + (compared == "–" ? "" : " \(compared) are at least as fast as the better library."),
    ]
  }
}
