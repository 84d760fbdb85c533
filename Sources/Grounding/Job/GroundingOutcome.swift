import COCO
import HeadImpact
import Jobs
import RunSupport

/// Where one expression was found, and how well: an entry of the results.
public struct GroundedExpression: Codable, Equatable, Sendable {
  public let imageID: Int64
  /// Of the picture: the bootstrap draws pictures, and a file may list one several times.
  public let fileName: String
  /// The expression's id.
  public let id: Int64
  public let annotationID: Int64
  /// nil if the annotation has none.
  public let categoryID: Int64?
  public let expression: String
  /// x, y, width and height; all 0 if nothing was found. - Units: pixels.
  public let bbox: [Double]
  public let segmentation: RunLengths
  /// The share of the heads' attention that lies in the mask.
  public let score: Double
  /// What was to be found. - Units: pixels.
  public let targetBox: [Double]
  /// IoU of the two boxes.
  public let boxIoU: Double
  /// Pixels of both masks, and of either; nil if the dataset has no outline of the object.
  public let intersection: Int?
  public let union: Int?

  /// COCO's compressed run lengths.
  public struct RunLengths: Codable, Equatable, Sendable {
    /// Height, width.
    public let size: [Int]
    public let counts: String
  }

  private enum CodingKeys: String, CodingKey {
    case imageID = "image_id"
    case fileName = "file_name"
    case id = "expression_id"
    case annotationID = "annotation_id"
    case categoryID = "category_id"
    case expression, bbox, segmentation, score
    case targetBox = "target_bbox"
    case boxIoU = "bbox_iou"
    case intersection = "mask_intersection"
    case union = "mask_union"
  }

  init(
    _ example: GroundingExample, _ annotation: Annotation, fileName: String, found: LocatedObject, target: BoundingBox,
    mask: BinaryMask?
  ) {
    imageID = annotation.imageID
    self.fileName = fileName
    id = example.id
    annotationID = annotation.id
    categoryID = annotation.categoryID
    expression = example.expression
    bbox = found.box?.numbers ?? [0, 0, 0, 0]
    segmentation = RunLengths(
      size: [found.mask.height, found.mask.width], counts: RunLengthEncoding(found.mask).compressed)
    score = found.score
    targetBox = target.numbers
    boxIoU = found.box?.intersectionOverUnion(target) ?? 0
    let overlap = mask.map { found.mask.overlap($0) }
    (intersection, union) = (overlap?.intersection, overlap?.union)
  }

  /// IoU of the two masks; nil if the dataset has no outline of the object.
  public var maskIoU: Double? {
    guard let intersection, let union else { return nil }
    return union > 0 ? Double(intersection) / Double(union) : 0
  }

  /// Whether nothing was found: the heads' attention is the same everywhere.
  public var isEmpty: Bool { bbox[2] == 0 }

  /// IoU of the target with the whole image, for comparison.
  var wholeImageIoU: Double {
    BoundingBox(x: 0, y: 0, width: Double(segmentation.size[1]), height: Double(segmentation.size[0]))
      .intersectionOverUnion(BoundingBox(x: targetBox[0], y: targetBox[1], width: targetBox[2], height: targetBox[3]))
  }
}

extension BoundingBox {
  fileprivate var numbers: [Double] { [x, y, width, height] }
}

/// What was found in one image.
typealias GroundingResult = UnitOutcomes<GroundedExpression>

extension UnitOutcomes<GroundedExpression> {
  /// - Throws: `JobError` if the bytes aren't a result.
  init(decoding bytes: [UInt8]) throws {
    try self.init(decoding: bytes, called: "places in an image")
    guard
      outcomes.allSatisfy({
        $0.found.map { $0.bbox.count == 4 && $0.targetBox.count == 4 && $0.segmentation.size.count == 2 } ?? true
      })
    else { throw JobError("a record of image \(imageID) has a box that is not of four numbers") }
  }
}
