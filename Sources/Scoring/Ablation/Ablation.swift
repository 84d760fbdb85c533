import HeadImpact

/// Heads that are taken out of a model together.
public struct Ablation: Sendable, Equatable {
  /// How the heads were chosen.
  public enum Choice: String, Sendable, CaseIterable, Codable {
    case top, bottom, random, named
  }

  /// What results call it.
  public let name: String
  public let heads: [Selection.Head]
  public let choice: Choice

  public init(name: String, heads: [Selection.Head], choice: Choice = .named) {
    self.name = name
    self.heads = heads
    self.choice = choice
  }

  /// For each count, the heads of highest Head Impact (`top`), those of lowest (`bottom`), and as many drawn from all heads
  /// by each seed (`random 0`).
  ///
  /// - Throws: `HeadImpactError` if the model hasn't so many heads.
  public static func byHeadImpact(
    _ table: HeadImpactTable, measure: RankedMeasure = .matched, counts: [Int], randomSeeds: [UInt64]
  ) throws -> [Ablation] {
    func ablation(_ name: String, _ choice: Choice, _ strategy: Selection.Strategy, _ count: Int, seed: UInt64 = 0)
      throws
      -> Ablation
    {
      Ablation(
        name: name,
        heads: try Selection.heads(of: table, strategy: strategy, measure: measure, count: count, seed: seed),
        choice: choice)
    }
    return try counts.flatMap { count in
      [try ablation("top", .top, .top, count), try ablation("bottom", .bottom, .bottom, count)]
        + (try randomSeeds.map { try ablation("random \($0)", .random, .random, count, seed: $0) })
    }
  }
}

/// What takes the place of what ablated heads give.
public enum AblationKind: String, Sendable, CaseIterable, Codable {
  /// Nothing.
  case zero
  /// The head's mean over a reference set: one over the rows of image tokens, one over those of the text.
  case mean
  /// The head goes on, but from the text its attention on the visual tokens is knocked out before the softmax.
  case knockout
}

/// What is measured without heads.
public enum AblationOutcome: String, Sendable, CaseIterable, Codable {
  case loss
  /// Of generated texts: the share that equals a reference, or of answers the most frequent one, in percent.
  case exactMatch = "exact_match"
  case cider = "CIDEr"
  /// VQA's, in percent.
  case accuracy

  /// "percent", "nats", or "1" for a plain number.
  public var unit: String {
    switch self {
    case .loss: "nats"
    case .exactMatch, .accuracy: "percent"
    case .cider: "1"
    }
  }

  /// Whether the model has to say something.
  var needsText: Bool { self != .loss }
}
