import COCO
import IO

/// A file of expressions and the objects that they refer to, in one of the forms in which people publish them.
struct GroundingDataset: Sendable {
  /// Where the expressions are.
  enum Form: String, Sendable {
    /// A key-object dataset: each annotation's `description`.
    case description
    /// COCO's JSON, each annotation with a list `sentences`, as RefCOCO's refs have them.
    case sentences
    /// COCO's JSON, each image with a `caption`, as MDETR republished RefCOCO.
    case imageCaption = "image captions"
    /// An object per line, as Qwen-VL and Shikra republished RefCOCO.
    case lines = "JSON lines"
  }

  let form: Form
  let objects: KeyObjectDataset
  /// Ascending by id.
  let examples: [GroundingExample]
  /// How many annotations have no sentences, where others of the file do.
  let withoutSentences: Int

  /// - Parameter name: what errors call the file.
  /// - Throws: `COCOError` naming the file and the place in it, if it is none of these forms.
  init(json: [UInt8], name: String) throws {
    let isLines = GroundingLines.areLines(json)
    let json = try isLines ? GroundingLines.coco(json, name: name) : json
    let objects = try KeyObjectDataset(json: json, name: name)
    self.objects = objects
    let texts = try isLines ? ExpressionTexts() : ExpressionTexts(json, name: name)
    let annotations = objects.annotationsByID()
    func example(_ annotation: Annotation, _ expression: String) -> GroundingExample {
      GroundingExample(
        id: annotation.id, annotationID: annotation.id, expression: expression, box: annotation.boundingBox)
    }
    if texts.sentences.isEmpty {
      let hasDescriptions = annotations.contains { $0.description != nil }
      form = isLines ? .lines : hasDescriptions || texts.captions.isEmpty ? .description : .imageCaption
      examples = annotations.map { [form] in
        example($0, (form == .imageCaption ? texts.captions[$0.imageID] : $0.description) ?? "")
      }
      withoutSentences = 0
    } else {
      form = .sentences
      examples = texts.examples(of: annotations)
      withoutSentences = annotations.count { texts.sentences[$0.id] == nil }
    }
    guard examples.isEmpty || examples.contains(where: { !$0.expression.allSatisfy(\.isWhitespace) }) else {
      throw COCOError(
        file: name,
        problem: "holds no expression: neither annotations with a description or sentences, nor images with a caption, "
          + "nor lines with sent or expression")
    }
  }

  var warnings: [String] {
    let left =
      withoutSentences == 0
      ? []
      : [
        "\(counted(withoutSentences, "annotation")) \(agreeing(with: withoutSentences, "has no sentences and is", "have no sentences and are")) left out"
      ]
    return objects.problems.warnings() + left
  }
}
