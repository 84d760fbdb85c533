import COCO
import VisionLanguage

/// The costs of units, known before their pictures are opened. Many images have the same size: what the model makes of
/// it is worked out once.
public struct UnitCosts {
  private let dimensions: ModelDimensions
  private let layout: (_ width: Int, _ height: Int) throws -> VisualLayout
  /// nil for a size that the family can't take.
  private var known: [ImageSize: VisualLayout.Load?] = [:]

  public init(
    _ dimensions: ModelDimensions, layout: @escaping (_ width: Int, _ height: Int) throws -> VisualLayout
  ) {
    (self.dimensions, self.layout) = (dimensions, layout)
  }

  public init(_ model: any VisionLanguageModel) { self.init(model.dimensions, layout: model.visualLayout) }

  /// About how many tokens a chat has beside the image, the prompt and the answer.
  public var templateTokens: Int { dimensions.templateTokens }

  /// Multiplications of a unit, about.
  ///
  /// - Parameters:
  ///   - size: of its image; nil if it isn't known.
  ///   - textRows: rows of the decoder beside the image's.
  public mutating func multiplications(of size: ImageSize?, textRows: Int) -> Double {
    dimensions.multiplications(size.flatMap { load(of: $0) }, textRows: textRows)
  }

  /// About how many tokens a text has: nobody needs them exactly before the tokenizer counts.
  public static func tokens(_ text: String) -> Int { text.utf8.count / 4 + 1 }

  /// A size that the family can't take is reported when its turn comes; here it counts as nothing.
  private mutating func load(of size: ImageSize) -> VisualLayout.Load? {
    if let found = known[size] { return found }
    let found = (try? layout(size.width, size.height))?.load
    known[size] = .some(found)
    return found
  }
}
