/// Attention heads that are ablated: after the attention has been computed, their part of what the
/// output projection sees is zero. What else depends on a head then does without it, in every pass.
public struct AblatedHeads: Sendable, Equatable {
  /// The unmodified model.
  public static let none = AblatedHeads()

  /// Each layer's heads, ascending.
  private let heads: [Int: [Int]]

  public init(_ heads: [(layer: Int, head: Int)] = []) {
    self.heads = Dictionary(grouping: heads, by: \.layer).mapValues { Set($0.map(\.head)).sorted() }
  }

  /// The lowest layer that loses a head; nil where none does.
  public var lowestLayer: Int? { heads.keys.min() }

  /// The heads of a layer that are ablated.
  subscript(layer: Int) -> [Int] { heads[layer] ?? [] }
}
