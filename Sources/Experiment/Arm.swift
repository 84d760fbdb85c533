import HeadImpact

/// One of the ways to adapt a model that an experiment compares.
public enum Arm: Sendable, Equatable, Hashable {
  /// The unmodified model.
  case pretrained
  /// The layers of highest Head Impact.
  case top
  /// The layers of lowest Head Impact.
  case bottom
  /// Layers drawn by a seed.
  case random(seed: UInt64)
  case all
  /// The heads of highest Head Impact, wherever they are.
  case topHeads

  /// What files and tables call it.
  public var name: String {
    switch self {
    case .pretrained: "pretrained"
    case .top: "top"
    case .bottom: "bottom"
    case .random(let seed): "random-\(seed)"
    case .all: "all"
    case .topHeads: "top-heads"
    }
  }

  /// - Parameter name: as `name` gives it.
  init?(name: String) {
    switch name {
    case "pretrained": self = .pretrained
    case "top": self = .top
    case "bottom": self = .bottom
    case "all": self = .all
    case "top-heads": self = .topHeads
    default:
      guard name.hasPrefix("random-"), let seed = UInt64(name.dropFirst(7)) else { return nil }
      self = .random(seed: seed)
    }
  }
}

/// One training of an arm, or the unmodified model.
struct ArmRun: Sendable, Equatable, Hashable {
  let arm: Arm
  /// Of the training.
  let seed: Int
  /// What files and steps call it.
  let name: String
}

extension ExperimentConfiguration {
  /// An arm's trainings, one with each seed; `pretrained` has itself alone. The one with the experiment's own seed is
  /// called as the arm, so that it stays what it is when seeds are added.
  func runs(of arm: Arm) -> [ArmRun] {
    guard arm != .pretrained else { return [ArmRun(arm: arm, seed: seed, name: arm.name)] }
    return trainingSeeds.map { seed in
      ArmRun(arm: arm, seed: seed, name: seed == self.seed ? arm.name : "\(arm.name)-seed-\(seed)")
    }
  }
}

/// Which layers and heads an arm adapts.
struct ArmLayers: Sendable, Equatable {
  let arm: Arm
  /// Ascending; empty for `pretrained`.
  let layers: [Int]
  /// Of `topHeads`; otherwise empty: whole layers are adapted.
  let heads: [Selection.Head]

  init(_ arm: Arm, layers: [Int], heads: [Selection.Head]) {
    (self.arm, self.layers, self.heads) = (arm, layers, heads)
  }

  /// - Parameters:
  ///   - layers: how many a selecting arm adapts; `heads` how many `topHeads` does.
  /// - Throws: `HeadImpactError` if the model has fewer.
  init(_ arm: Arm, table: HeadImpactTable, measure: RankedMeasure, layers: Int, heads: Int) throws {
    self.arm = arm
    func chosen(_ strategy: Selection.Strategy, seed: UInt64 = 0) throws -> [Int] {
      try Selection(from: table, strategy: strategy, measure: measure, layers: layers, seed: seed).layers.sorted()
    }
    switch arm {
    case .pretrained: (self.layers, self.heads) = ([], [])
    case .top: (self.layers, self.heads) = (try chosen(.top), [])
    case .bottom: (self.layers, self.heads) = (try chosen(.bottom), [])
    case .random(let seed): (self.layers, self.heads) = (try chosen(.random, seed: seed), [])
    case .all: (self.layers, self.heads) = (Array(0..<table.layers), [])
    case .topHeads:
      let selection = try Selection(from: table, strategy: .top, measure: measure, layers: 1, topHeads: heads)
      self.heads = selection.heads
      self.layers = Set(selection.heads.map(\.layer)).sorted()
    }
  }
}
