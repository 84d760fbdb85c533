import COCO
import VisionLanguage

/// An example as the model takes it.
struct TrainingSample: Sendable {
  let example: ImageTextExample
  /// Up to the last row that training needs; the token that it predicts follows.
  let sequence: TokenSequence
  /// What its picture costs.
  let load: VisualLayout.Load

  /// Rows of a pass over it: what follows the last predicting row is seen by none of them.
  var rows: Int { sequence.predictingRows.upperBound }
  var supervisedTokens: Int { sequence.predictingRows.count }
}
