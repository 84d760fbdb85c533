import HDF5Store
import HeadImpact

/// How far two prompts rank the heads of a model alike, for all pairs of an experiment's prompts.
public struct PromptAgreement: Codable, Sendable, Equatable {
  public struct Pair: Codable, Sendable, Equatable {
    /// Places among the prompts; the first is the smaller.
    public let first: Int
    public let second: Int
    /// Spearman's, of all heads; nil where one prompt ranks none above another.
    public let rankCorrelation: Double?
    /// The share of the best heads that is the same, and of the best layers.
    public let headOverlap: Double
    public let layerOverlap: Double
  }

  /// The first is that of all other steps.
  public let prompts: [String]
  public let pairs: [Pair]
  /// How many of the best heads and layers are compared.
  public let heads: Int
  public let layers: Int

  /// - Returns: nil for a single prompt.
  /// - Throws: what reading the scoring runs throws.
  init?(_ configuration: ExperimentConfiguration, _ folder: ExperimentFolder) throws {
    guard !configuration.otherPrompts.isEmpty else { return nil }
    let files = [folder.headImpact] + configuration.otherPrompts.indices.map { folder.headImpact(prompt: $0 + 2) }
    try self.init(
      prompts: [configuration.prompt] + configuration.otherPrompts,
      tables: files.map { try HeadImpactFile.read($0).table }, configuration.select)
  }

  /// - Parameter tables: one a prompt, of the same model.
  /// - Throws: `HeadImpactError` if a table doesn't have what heads are ranked by.
  init(prompts: [String], tables: [HeadImpactTable], _ select: ExperimentConfiguration.Select) throws {
    let scores = try tables.map { try $0.scores(select.ranked) }
    let rankings = try tables.map { try Ranking($0, by: select.ranked) }
    let (heads, layers) = (min(select.heads, scores[0].count), min(select.layers, tables[0].layers))
    func overlap<Thing: Hashable>(_ one: [Thing], _ other: [Thing]) -> Double {
      Double(Set(one).intersection(other).count) / Double(one.count)
    }
    func best(_ ranking: Ranking) -> [Selection.Head] {
      ranking.heads.prefix(heads).map { Selection.Head(layer: $0.layer, head: $0.head) }
    }
    self.prompts = prompts
    (self.heads, self.layers) = (heads, layers)
    pairs = prompts.indices.flatMap { first in
      prompts.indices.dropFirst(first + 1).map { second in
        Pair(
          first: first, second: second, rankCorrelation: RankCorrelation.spearman(scores[first], scores[second]),
          headOverlap: overlap(best(rankings[first]), best(rankings[second])),
          layerOverlap: overlap(
            rankings[first].layers.prefix(layers).map(\.layer), rankings[second].layers.prefix(layers).map(\.layer)))
      }
    }
  }
}
