import COCO
import Foundation
import HeadImpact
import RunSupport

/// What taking heads out of a model does to the loss of a dataset's descriptions.
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
  /// Ascending by id.
  public let skipped: [Skipped]
  /// Everything that the numbers depend on.
  public let run: RunIdentity

  /// - Parameters:
  ///   - units: ascending by image id: sums are added in this order.
  ///   - skipped: the examples that aren't part of it, ascending by id. At least one other is.
  init(
    _ units: [UnitLosses], _ configuration: AblateConfiguration, run: RunIdentity, skipped: [SkippedSample]
  ) throws {
    func name(_ folder: URL) -> String { folder.standardizedFileURL.lastPathComponent }
    modelName = name(configuration.model)
    adapterName = configuration.adapter.map(name)
    self.run = run
    self.skipped = skipped.map { Skipped(id: $0.id, kind: $0.reason.kind, reason: $0.reason.text) }
    let sums = units.compactMap { ImageSums($0, runs: 1 + configuration.ablations.count) }
    images = sums.count
    samples = sums.reduce(0) { $0 + $1.samples }
    let tokens = sums.reduce(0) { $0 + $1.tokens }
    self.tokens = tokens
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(tokens) }
    loss = mean(sums.map { $0.losses[0] })
    ablations = try configuration.ablations.enumerated().map { index, ablation in
      let differences = sums.map { $0.losses[1 + index] - $0.losses[0] }
      let interval = try RatioInterval(
        numerators: differences, denominators: sums.map { Double($0.tokens) },
        resamples: configuration.bootstrapResamples, seed: configuration.seed)
      return Row(
        name: ablation.name, heads: ablation.heads, loss: mean(sums.map { $0.losses[1 + index] }),
        difference: mean(differences), lower: interval.lower, upper: interval.upper)
    }
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

/// An image's descriptions together.
private struct ImageSums {
  let samples: Int
  let tokens: Int
  /// Of the unmodified model, then of each ablation.
  let losses: [Double]

  /// nil if no description of the image could be used.
  init?(_ unit: UnitLosses, runs: Int) {
    let used = unit.outcomes.filter { $0.losses != nil }
    guard !used.isEmpty else { return nil }
    samples = used.count
    tokens = used.reduce(0) { $0 + $1.tokens }
    losses = (0..<runs).map { run in used.reduce(0) { $0 + ($1.losses?[run] ?? 0) } }
  }
}
