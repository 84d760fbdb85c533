import COCO
import Figures
import Foundation
import HeadImpact
import IO
import RunSupport

/// What taking heads out of a model does to the loss of a dataset's descriptions, and to what it says.
///
/// Losses are sums over supervised tokens divided by their number, as in training (docs/training.md). - Units: nats.
public struct AblationResult: Sendable, Equatable, Codable {
  public struct Row: Sendable, Equatable, Codable {
    /// As the ablation is called.
    public let name: String
    /// Those taken out.
    public let heads: [Selection.Head]
    public let loss: Double
    /// From the loss of the unmodified model: above zero, the heads are missed.
    public let difference: Double
    /// The 95% interval of the difference, paired: bootstrap over images.
    public let lower: Double
    public let upper: Double
    /// nil in a file of an older version.
    public let choice: Ablation.Choice?
    /// What else was measured; nil in a file of an older version.
    public let outcomes: [Outcome]?
  }

  /// Another outcome than the loss.
  public struct Outcome: Sendable, Equatable, Codable {
    public let outcome: AblationOutcome
    public let value: Double
    /// From the unmodified model: 0 for that itself.
    public let difference: Double
    /// As those of the loss.
    public let lower: Double
    public let upper: Double
    /// Of all these numbers: `AblationOutcome.unit`. nil in a file of an older version, whose exact matches of captions are
    /// shares of 1.
    public let unit: String?

    init(_ outcome: AblationOutcome, value: Double, difference: Double = 0, lower: Double = 0, upper: Double = 0) {
      (self.outcome, self.value, self.difference) = (outcome, value, difference)
      (self.lower, self.upper, unit) = (lower, upper, outcome.unit)
    }
  }

  /// An example that couldn't be used.
  public struct Skipped: Sendable, Equatable, Codable {
    public let id: Int64
    /// What of it; nil in a file of an older version.
    public let kind: SkipKind?
    public let reason: String
  }

  public let modelName: String
  /// nil without an adapter.
  public let adapterName: String?
  public let images: Int
  public let samples: Int
  public let tokens: Int
  /// Of the unmodified model.
  public let loss: Double
  /// In the order asked for.
  public let ablations: [Row]
  /// What takes the place of the heads; nil, in a file of an older version, for zero.
  public let ablation: AblationKind?
  /// Other outcomes of the unmodified model.
  public let outcomes: [Outcome]?
  /// By choice of heads and outcome; nil in a file of an older version.
  public let curves: [AblationCurves.Curve]?
  /// For the reader of the numbers; nil if there are none.
  public let warnings: [String]?
  /// Ascending by id.
  public let skipped: [Skipped]
  /// Everything that the numbers depend on.
  public let run: RunIdentity

  /// - Parameters:
  ///   - units: ascending by image id: sums are added in this order.
  ///   - skipped: the examples that aren't part of it, ascending by id. At least one other is.
  init(
    _ units: [UnitLosses], _ configuration: AblateConfiguration, references: AblationReferences? = nil,
    run: RunIdentity, skipped: [SkippedSample]
  ) throws {
    func name(_ folder: URL) -> String { folder.standardizedFileURL.lastPathComponent }
    modelName = name(configuration.model)
    adapterName = configuration.adapter.map(name)
    self.run = run
    self.skipped = skipped.map { Skipped(id: $0.id, kind: $0.reason.kind, reason: $0.reason.text) }
    let used = units.filter { $0.outcomes.contains { $0.losses != nil } }
    images = used.count
    samples = used.reduce(0) { $0 + $1.outcomes.count { $0.losses != nil } }
    tokens = used.reduce(0) { $0 + $1.outcomes.reduce(0) { $0 + ($1.losses == nil ? 0 : $1.tokens) } }
    let losses = AblationSums(losses: used, runs: 1 + configuration.ablations.count)
    let scores = try references?.scores(of: used.flatMap { $0.answers ?? [] }) ?? []
    let others = scores.map(AblationSums.init)
    let warnings = scores.compactMap(\.warning)
    self.warnings = warnings.isEmpty ? nil : warnings
    let (resamples, seed) = (configuration.bootstrapResamples, configuration.seed)
    func outcome(_ sums: AblationSums, run: Int) throws -> Outcome {
      let found = try sums.difference(ofRuns: [run], resamples: resamples, seed: seed)
      return Outcome(
        sums.outcome, value: sums.mean(run: run), difference: found.value, lower: found.lower, upper: found.upper)
    }
    loss = losses.mean(run: 0)
    ablation = configuration.kind
    outcomes = others.map { Outcome($0.outcome, value: $0.mean(run: 0)) }
    ablations = try configuration.ablations.enumerated().map { index, ablation in
      let loss = try outcome(losses, run: 1 + index)
      return Row(
        name: ablation.name, heads: ablation.heads, loss: loss.value, difference: loss.difference, lower: loss.lower,
        upper: loss.upper, choice: ablation.choice, outcomes: try others.map { try outcome($0, run: 1 + index) })
    }
    curves = try ([losses] + others).flatMap { sums in
      try Ablation.Choice.allCases.compactMap {
        try Self.curve(of: $0, configuration.ablations, sums, resamples: resamples, seed: seed)
      }
    }
  }

  /// nil if no heads are chosen in this way.
  private static func curve(
    of choice: Ablation.Choice, _ ablations: [Ablation], _ sums: AblationSums, resamples: Int, seed: UInt64
  ) throws -> AblationCurves.Curve? {
    let runs = ablations.indices.filter { ablations[$0].choice == choice }
    guard !runs.isEmpty else { return nil }
    let points = try Dictionary(grouping: runs) { ablations[$0].heads.count }.sorted { $0.key < $1.key }
      .map { heads, places in
        let draws = places.map { $0 + 1 }
        let all = try sums.difference(ofRuns: draws, resamples: resamples, seed: seed)
        let each = draws.map { sums.mean(run: $0) - sums.mean(run: 0) }
        return AblationCurves.Point(
          heads: heads, draws: draws.count, value: draws.reduce(0) { $0 + sums.mean(run: $1) } / Double(draws.count),
          difference: all.value, lower: all.lower, upper: all.upper, lowest: each.min() ?? all.value,
          highest: each.max() ?? all.value)
      }
    return AblationCurves.Curve(
      choice: choice.rawValue, outcome: sums.outcome.rawValue, unit: sums.outcome.unit, baseline: sums.mean(run: 0),
      points: points)
  }

  public var skips: SkipCounts {
    SkipCounts(samples: samples + skipped.count, skipped: skipped.map { $0.kind ?? .record })
  }

  /// One object, its keys in alphabetical order and in snake_case.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// - Throws: `JobError` naming the file, if it is none of these.
  public init(contentsOf url: URL) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let bytes = try JobInputs.read(url)
    do { self = try decoder.decode(Self.self, from: Data(bytes)) } catch {
      throw JobError("\(url.path): is not a result of `headimpact ablate`: \(error)")
    }
  }
}

extension AblationResult {
  private static let columns = [
    "ablation", "name", "choice", "heads", "layer_heads", "outcome", "value", "difference", "lower", "upper", "unit",
  ]

  /// Whether a file begins as `csv` does.
  ///
  /// - Throws: what reading the file throws.
  public static func isCSV(_ url: URL) throws -> Bool {
    let head = CSV.text([columns])
    return try InputFile.read(url, upTo: head.utf8.count).elementsEqual(head.utf8)
  }

  /// One row per ablation and outcome, that of the unmodified model first, as comma-separated values.
  public var csv: String {
    var rows = [Self.columns]
    let kind = (ablation ?? .zero).rawValue
    func add(_ name: String, _ choice: String, _ heads: [Selection.Head], _ found: [Outcome]) {
      for outcome in found {
        rows.append(
          [
            kind, name, choice, "\(heads.count)", heads.map(\.description).joined(separator: " "),
            outcome.outcome.rawValue,
          ] + [outcome.value, outcome.difference, outcome.lower, outcome.upper].map(CSV.field) + [outcome.unit ?? ""])
      }
    }
    add(
      "none", "none", [],
      [Outcome(.loss, value: loss)] + (outcomes ?? []))
    for row in ablations {
      let lost = Outcome(.loss, value: row.loss, difference: row.difference, lower: row.lower, upper: row.upper)
      add(row.name, row.choice?.rawValue ?? "", row.heads, [lost] + (row.outcomes ?? []))
    }
    return CSV.text(rows)
  }
}
