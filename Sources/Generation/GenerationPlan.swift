import COCO
import VisionLanguage

/// One unit of work: an image with everything that is asked about it, so that how the work is divided never changes a
/// number.
struct GenerationUnit: Sendable {
  struct Question: Sendable, Equatable {
    /// The question's id; of a caption, the image's.
    let id: Int64
    let prompt: String
  }

  let imageID: Int64
  let fileName: String
  /// What the dataset says; nil where it says nothing.
  let size: ImageTextExample.ImageSize?
  /// Ascending by id.
  let questions: [Question]
}

/// The work of a generation run, and the order it is handed out in.
struct GenerationPlan: Sendable {
  let kind: ImageTextDataset.Kind
  /// Ascending by image id.
  let units: [GenerationUnit]
  /// Multiplications of each unit, in 10⁹.
  private let costs: [Double]

  /// Every unit, the costliest first: the last to finish is then a short one.
  var order: [Int] {
    units.indices.sorted { (costs[$0], units[$1].imageID) > (costs[$1], units[$0].imageID) }
  }

  /// How many answers there will be.
  var answers: Int { units.reduce(0) { $0 + $1.questions.count } }

  /// - Parameters:
  ///   - limit: takes the first examples only, by id.
  ///   - prompt: of images that the dataset has no question about. They have one caption each, however many examples.
  init(
    _ dataset: ImageTextDataset, limit: Int?, prompt: String, maxNewTokens: Int, dimensions: ModelDimensions,
    layout: (_ width: Int, _ height: Int) throws -> VisualLayout
  ) {
    kind = dataset.kind
    let groups = Dictionary(grouping: dataset.examples.prefix(limit ?? .max), by: \.imageID)
    units = groups.sorted { $0.key < $1.key }.map { imageID, examples in
      GenerationUnit(
        imageID: imageID, fileName: examples[0].fileName, size: examples[0].size,
        questions: dataset.kind == .captions
          ? [GenerationUnit.Question(id: imageID, prompt: prompt)]
          : examples.map { GenerationUnit.Question(id: $0.id, prompt: $0.prompt ?? prompt) })
    }
    costs = units.map { unit in
      // A size that the family can't take is reported when its turn comes; one that isn't known counts as nothing.
      let tokens = unit.size.flatMap { size in try? layout(size.width, size.height) }
      let rows = unit.questions.count * (maxNewTokens + Self.questionTokens) + (tokens?.visualTokens ?? 0)
      return dimensions.multiplications(patches: tokens?.patches ?? 0, rows: rows) / 1e9
    }
  }

  /// About as many as a question and its template have: nobody needs them exactly before the tokenizer counts.
  private static let questionTokens = 24
}
