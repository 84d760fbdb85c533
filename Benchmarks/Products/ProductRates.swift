import ArgumentParser
import Foundation
import Kernels

/// A result that is not what a library says.
struct WrongProduct: Error, CustomStringConvertible {
  let description: String
}

@main
struct ProductRates: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "product-rates",
    abstract: "Measure matrix products beside oneDNN, OpenBLAS and the limits of the processor.",
    discussion: """
      Every linear layer of three models, in the order of their weight in a run, until the time is up. Rates are in GFLOP/s. \
      "of peak" is the share of the multiply-adds that the processor does in registers, "of memory" that of the \
      bytes that it reads a second (weights in bf16) in the best moment, "beside" directly before and after, "of best" ours over the \
      better library's. The libraries \
      get float32 weights that were widened before. Leave the machine alone meanwhile.
      """)

  @Option(name: .customLong("shapes"), help: "Only layers whose name contains one of these: decoder,vision,down.")
  var shapes: String?
  @Option(help: "Only products of so many rows: 437,1564.") var rows: String?
  @Option(help: "Numbers of threads.") var threads = "2,1"
  @Option(help: "Precisions.") var precision = "f32,bf16"
  @Option(help: "Start no product after so many minutes.") var minutes = 20.0
  @Option(help: "Repeat each product for so many seconds, and at least twice.") var seconds = 0.12
  @Flag(help: "Measure the processor's limits only.") var limits = false
  @Flag(help: "Print JSON.") var json = false
  @Flag(help: "The forward products only.") var forward = false

  func validate() throws {
    for (name, list) in [("--rows", rows ?? "1"), ("--threads", threads)] where Self.numbers(list) == nil {
      throw ValidationError("\(name) is \(list): it takes numbers above 0, separated by commas.")
    }
    guard precisions.count == precision.split(separator: ",").count, !precisions.isEmpty else {
      throw ValidationError("--precision is \(precision): it takes f32, bf16 or both, separated by a comma.")
    }
    guard minutes > 0, seconds >= 0 else { throw ValidationError("--minutes and --seconds must be positive.") }
    if !limits, cases.isEmpty { throw ValidationError("No product has such a name and so many rows.") }
  }

  private static func numbers(_ list: String) -> [Int]? {
    let parts = list.split(separator: ",").map { Int($0) }
    let found = parts.compactMap { $0 }.filter { $0 > 0 }
    return found.isEmpty || found.count != parts.count ? nil : found
  }

  private var precisions: [Precision] { precision.split(separator: ",").compactMap { Precision(rawValue: String($0)) } }

  /// All products, the most important ones first: passes of the rows that a photograph has, with all threads.
  private var cases: [Case] {
    let names = shapes?.split(separator: ",") ?? []
    let chosen = Shape.all.filter { shape in names.isEmpty || names.contains { shape.name.contains($0) } }
    let wanted = rows.flatMap(Self.numbers)
    var cases: [Case] = []
    for count in wanted ?? [437, 1564, 1, 16, 4096] {
      for threads in Self.numbers(threads) ?? [] {
        for direction in forward ? [Case.Direction.forward] : [.forward, .backward] {
          for precision in precisions {
            cases += chosen.filter {
              $0.rows.contains(count) && (direction == .forward || ($0.goesBackward && count >= Table.passRows))
            }.map { Case(shape: $0, direction: direction, precision: precision, threads: threads, rows: count) }
          }
        }
      }
    }
    return cases
  }

  func run() throws {
    let started = ContinuousClock.now
    let cases = limits ? [] : cases
    // More than a cache holds, so that weights come from memory.
    let pool = Pool(count: max(1 << 27, cases.map(\.weights).max() ?? 0))
    var measured = (Self.numbers(threads) ?? []).map {
      Limits(threads: $0, pool: pool, seconds: max(4 * seconds, 0.2))
    }
    let libraries = limits ? nil : Libraries()
    if !json { introduce(measured, libraries) }
    let lines = try measure(cases, pool, libraries, &measured, since: started)
    if json {
      try printJSON(measured, libraries, lines, omitted: cases.count - lines.count)
    } else if !limits {
      for line in Summary(lines).text { print(line) }
      if lines.count < cases.count {
        print("\(cases.count - lines.count) of \(cases.count) products were left out: --minutes allows more time.")
      }
    }
  }

  private func introduce(_ limits: [Limits], _ libraries: Libraries?) {
    for limit in limits { print(Table.text(limit)) }
    guard let libraries else { return }
    print("oneDNN \(libraries.oneDNN ?? "isn't installed"); OpenBLAS \(libraries.openBLAS ?? "isn't installed")")
    print(Table.heading)
  }

  private func measure(
    _ cases: [Case], _ pool: Pool, _ libraries: Libraries?, _ limits: inout [Limits],
    since started: ContinuousClock.Instant
  ) throws -> [Line] {
    guard let libraries else { return [] }
    let measuring = Measuring(cases, pool: pool, libraries: libraries, seconds: seconds)
    var lines: [Line] = []
    for product in cases {
      guard started.duration(to: .now) < .seconds(60 * minutes) else { break }
      guard let limit = limits.firstIndex(where: { $0.threads == product.threads }) else { continue }
      let before = bandwidth(beside: product, pool)
      let rates = try measuring.rates(of: product)
      let beside = before.map { max($0, bandwidth(beside: product, pool) ?? 0) }
      limits[limit].take(bandwidth: beside ?? 0)
      let line = Line(product: product, rates: rates, limits: limits[limit], bandwidthBeside: beside)
      if let difference = line.rates.difference, !(difference < 1e-3) {
        throw WrongProduct(
          description:
            "\(product.shape.name), \(product.direction), \(product.precision), \(product.rows) rows: the first "
            + "row differs by \(difference) of its greatest value from a library's")
      }
      lines.append(line)
      if !json {
        print(Table.text(line))
        fflush(nil)
      }
    }
    // Earlier lines too are judged by the best moment.
    for index in lines.indices {
      lines[index].limits = limits.first { $0.threads == lines[index].product.threads } ?? lines[index].limits
    }
    return lines
  }

  /// What memory gives now, where reading weights is a product's limit.
  private func bandwidth(beside product: Case, _ pool: Pool) -> Double? {
    product.rows < Table.passRows ? Limits.bandwidth(threads: product.threads, pool: pool, seconds: seconds) : nil
  }

  private func printJSON(_ limits: [Limits], _ libraries: Libraries?, _ lines: [Line], omitted: Int) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let output = Output(
      oneDNN: libraries?.oneDNN, openBLAS: libraries?.openBLAS,
      hasFastBFloat16: (ProductInstructions.fastest(for: .bf16) == .bfloat16),
      limits: limits, products: lines.map(Output.Product.init), omitted: omitted)
    print(String(decoding: try encoder.encode(output), as: UTF8.self))
  }
}
