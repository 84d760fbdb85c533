import Foundation

/// How outcomes change with the number of heads that are ablated: a part of ablation.json.
public struct AblationCurves: Sendable, Equatable, Codable {
  public struct Point: Sendable, Equatable, Codable {
    /// How many heads are ablated together.
    public let heads: Int
    /// How many choices of so many heads there are: random draws.
    public let draws: Int
    /// The mean over draws.
    public let value: Double
    /// From the unmodified model; the mean over draws.
    public let difference: Double
    /// Its 95% interval: paired bootstrap over images, the draws being given.
    public let lower: Double
    public let upper: Double
    /// The lowest and the highest difference of a draw.
    public let lowest: Double
    public let highest: Double

    public init(
      heads: Int, draws: Int, value: Double, difference: Double, lower: Double, upper: Double, lowest: Double,
      highest: Double
    ) {
      (self.heads, self.draws, self.value, self.difference) = (heads, draws, value, difference)
      (self.lower, self.upper, self.lowest, self.highest) = (lower, upper, lowest, highest)
    }
  }

  public struct Curve: Sendable, Equatable, Codable {
    /// How the heads are chosen: "top", "bottom", "random", "named".
    public let choice: String
    /// What is measured: "loss", "exact_match", "CIDEr", "accuracy".
    public let outcome: String
    /// Of all numbers: "nats", "percent", or "1" for a plain number; nil in a file of an older version.
    public let unit: String?
    /// Of the unmodified model.
    public let baseline: Double
    /// Ascending by heads.
    public let points: [Point]

    public init(choice: String, outcome: String, unit: String? = nil, baseline: Double, points: [Point]) {
      (self.choice, self.outcome, self.unit) = (choice, outcome, unit)
      (self.baseline, self.points) = (baseline, points)
    }
  }

  /// What takes the place of the heads: "zero", "mean", "knockout".
  public let ablation: String
  public let images: Int
  public let samples: Int
  public let curves: [Curve]

  public init(ablation: String, images: Int, samples: Int, curves: [Curve]) {
    (self.ablation, self.images, self.samples, self.curves) = (ablation, images, samples, curves)
  }

  /// - Parameters:
  ///   - json: of an ablation.json.
  ///   - name: what errors call it.
  /// - Throws: `HeadImpactError` naming the file, if it is none, or one without curves.
  public init(json: [UInt8], name: String) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(json)) } catch {
      throw HeadImpactError(
        "\(name): is no result of `headimpact ablate` with curves (older versions wrote none): \(error)")
    }
  }
}
