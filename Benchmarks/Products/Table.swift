import Foundation
import Kernels

/// A measured product beside the limits that it was measured under.
struct Line {
  let product: Case
  let rates: Rates
  var limits: Limits
  /// What memory gave directly before and after; nil of a pass, which waits for multiply-adds.
  let bandwidthBeside: Double?

  /// Whether it multiplies so many rows that multiply-adds are its limit, and not the reading of weights.
  var isPass: Bool { product.rows >= Table.passRows }

  /// Of the multiply-adds that its precision can use.
  var peak: Double {
    product.precision == .bf16 && (ProductInstructions.fastest(for: .bf16) == .bfloat16)
      ? limits.bfloat16 : limits.float32
  }
  var efficiency: Double { rates.ours / peak }
  /// Bytes of weights a second, as files have them.
  private var weightRate: Double { rates.ours / product.operations * 2 * Double(product.weights) }
  /// Over the most that memory gave: the limit of a few rows.
  var bandwidthShare: Double { weightRate / limits.bandwidth }
  /// Over what memory gave beside it.
  var shareBeside: Double? { bandwidthBeside.map { weightRate / $0 } }
  /// Our rate over the better library's.
  var ratio: Double? {
    let libraries = [rates.oneDNN, rates.openBLAS].compactMap { $0 }
    return libraries.max().map { rates.ours / $0 }
  }
}

/// The one table, and its goals.
enum Table {
  /// The share of the peak that passes should reach, that of the bandwidth that a few rows should, and the rows from which a
  /// product is a pass.
  static let goal = 0.9
  static let fewRowsGoal = 0.85
  static let passRows = 100

  static let heading = row(
    "layer", "in", "out", "direction", "type", "threads", "rows", "ours", "oneDNN", "OpenBLAS", "of peak", "of memory",
    "beside", "of best")

  // One column each.
  private static func row(_ cells: String...) -> String {
    row(cells, widths: [-34, 7, 7, -9, -5, 7, 5, 7, 7, 9, 8, 9, 7, 8])
  }

  /// - Parameter widths: of the columns, negative of those that begin at the left.
  static func row(_ cells: [String], widths: [Int]) -> String {
    zip(cells, widths).map { cell, width in
      let padding = String(repeating: " ", count: max(0, abs(width) - cell.count))
      return width < 0 ? cell + padding : padding + cell
    }.joined(separator: " ")
  }

  static func giga(_ rate: Double?) -> String { rate.map { String(format: "%.0f", $0 / 1e9) } ?? "–" }
  static func share(_ value: Double) -> String { String(format: "%.0f%%", 100 * value) }

  static func text(_ line: Line) -> String {
    let product = line.product
    return row(
      product.shape.name, "\(product.shape.inputs)", "\(product.shape.outputs)", product.direction.rawValue,
      product.precision.rawValue, "\(product.threads)", "\(product.rows)", giga(line.rates.ours),
      giga(line.rates.oneDNN), giga(line.rates.openBLAS), share(line.efficiency), share(line.bandwidthShare),
      line.shareBeside.map(share) ?? "", line.ratio.map { String(format: "%.2f", $0) } ?? "–")
  }

  static func text(_ limits: Limits) -> String {
    let peaks = limits.peaks.sorted { $0.key < $1.key }.map { "\($0.key) \(giga($0.value)) GFLOP/s" }
    return "\(limits.threads) thread\(limits.threads == 1 ? "" : "s"): multiply-adds "
      + "\(peaks.joined(separator: ", ")); memory \(String(format: "%.1f", limits.bandwidth / 1e9)) GB/s"
  }
}

/// The table as JSON. Rates in operations a second, bandwidth in bytes a second.
struct Output: Codable {
  struct Product: Codable {
    let model: String
    let layers: String
    let inputs: Int
    let outputs: Int
    let direction: Case.Direction
    let precision: String
    let threads: Int
    let rows: Int
    let ours: Double
    let oneDNN: Double?
    let openBLAS: Double?
    let efficiency: Double
    let bandwidthShare: Double
    let shareBeside: Double?
    let ratio: Double?

    init(_ line: Line) {
      let product = line.product
      model = product.shape.model
      layers = product.shape.layers
      inputs = product.shape.inputs
      outputs = product.shape.outputs
      direction = product.direction
      precision = product.precision.rawValue
      threads = product.threads
      rows = product.rows
      ours = line.rates.ours
      oneDNN = line.rates.oneDNN
      openBLAS = line.rates.openBLAS
      efficiency = line.efficiency
      bandwidthShare = line.bandwidthShare
      shareBeside = line.shareBeside
      ratio = line.ratio
    }
  }

  let oneDNN: String?
  let openBLAS: String?
  let hasFastBFloat16: Bool
  let limits: [Limits]
  let products: [Product]
  /// Products that the time didn't allow.
  let omitted: Int
}
