import Kernels

/// Heads that are ablated, and what takes the place of what they give: in every pass, and for all that depends on it.
public struct AblatedHeads: Sendable, Equatable {
  public enum Replacement: Sendable, Equatable {
    /// What the output projection sees of the head is zero.
    case zero
    /// … is what the head gives on the average.
    case mean(HeadMeans)
    /// The head doesn't see the visual tokens: from the rows of the text, its attention on them is knocked out before the
    /// softmax. Rows of the image itself attend as before.
    case knockout
  }

  /// The unmodified model.
  public static let none = AblatedHeads()

  public let replacement: Replacement
  /// Each layer's heads, ascending.
  private let heads: [Int: [Int]]
  /// Positions of the image tokens, and of the visual tokens among them.
  private var image: [Range<Int>] = []
  private var visual: [Range<Int>] = []

  public init(_ heads: [(layer: Int, head: Int)] = [], replacement: Replacement = .zero) {
    self.heads = Dictionary(grouping: heads, by: \.layer).mapValues { Set($0.map(\.head)).sorted() }
    self.replacement = replacement
  }

  /// The same in a pass over sequences whose image tokens stand at these positions: what `mean` and `knockout` depend on.
  ///
  /// - Parameter visual: those that stand for a part of the image, [VIS].
  public func inPass(image: [Range<Int>], visual: [Range<Int>]) -> AblatedHeads {
    var copy = self
    (copy.image, copy.visual) = (image, visual)
    return copy
  }

  /// The lowest layer that loses a head; nil where none does.
  public var lowestLayer: Int? { heads.keys.min() }

  /// The heads of a layer that are ablated.
  subscript(layer: Int) -> [Int] { heads[layer] ?? [] }

  /// The heads of a layer whose output is replaced.
  func replaced(layer: Int) -> [Int] { replacement == .knockout ? [] : self[layer] }

  /// The keys of a layer that its heads don't see.
  func hiddenKeys(layer: Int) -> HiddenKeys? {
    guard replacement == .knockout, let heads = heads[layer] else { return nil }
    return HiddenKeys(heads: Set(heads), keys: visual, sparedQueries: image)
  }

  /// Whether the token at this position is an image token.
  func isImage(_ position: Int) -> Bool { image.contains { $0.contains(position) } }
}

/// What heads give on the average over a set of samples: one mean over the rows of image tokens, and one over those of the
/// text.
public struct HeadMeans: Sendable, Equatable {
  public struct Layer: Sendable, Equatable {
    /// - Shape: [H · D].
    public let image: [Float]
    public let text: [Float]

    public init(image: [Float], text: [Float]) {
      precondition(image.count == text.count)
      (self.image, self.text) = (image, text)
    }
  }

  /// By the layer's index.
  public let layers: [Int: Layer]

  public init(_ layers: [Int: Layer]) { self.layers = layers }
}
