import Foundation
import IO

/// A key-object dataset, or any COCO instances file: images, categories and annotations, one sample each.
///
/// A record that can't be used is left out, and `problems` says which and why: one without an id, one whose id
/// another has, an annotation of no image. A value that isn't what it should be is treated as if it were absent, and
/// matters to those alone who need it (`fault(of:_:)`). Masks stay encoded as in the file until they are needed:
/// most of such a file is outlines, and a job needs few at a time.
public struct KeyObjectDataset: Sendable {
  /// The file as the user named it: every error begins with it.
  public let name: String
  public let images: [ImageRecord]
  /// Empty if the file has none.
  public let categories: [Category]
  /// In the order of the file.
  public let annotations: [Annotation]
  /// All problems of the file's records, except those in outlines (`outlineProblems(of:)`).
  public let problems: RecordProblems

  let bytes: [UInt8]
  let licenses: Range<Int>?
  private let imageIndex: [Int64: Int]
  private let categoryIndex: [Int64: Int]

  /// - Throws: `COCOError` naming the file, if it isn't a COCO file; what `InputFile.read` throws.
  public init(contentsOf url: URL) throws {
    try self.init(json: try InputFile.read(url), name: url.path)
  }

  /// - Parameter name: what errors call the file.
  /// - Throws: `COCOError` naming the file, if it isn't a COCO file.
  public init(json: Data, name: String) throws { try self.init(json: [UInt8](json), name: name) }

  /// - Parameter name: what errors call the file.
  /// - Throws: `COCOError` naming the file, if it isn't a COCO file.
  public init(json: [UInt8], name: String) throws { try self.init(json: json, name: name, needs: DatasetNeeds()) }

  /// A COCO file of which only the annotations' texts are needed: images may lack the names of their pictures.
  ///
  /// - Throws: as `init(contentsOf:)`.
  public init(textsOf url: URL) throws {
    try self.init(json: try InputFile.read(url), name: url.path, needs: DatasetNeeds(pictures: false))
  }

  /// A COCO instances file, input of a build: an annotation whose id is already in use gets a new one, instead of both
  /// being left out.
  ///
  /// - Throws: as `init(contentsOf:)`.
  public init(renumbering url: URL) throws {
    try self.init(json: try InputFile.read(url), name: url.path, needs: DatasetNeeds(newIDs: true))
  }

  init(json: [UInt8], name: String, needs: DatasetNeeds) throws {
    bytes = json
    self.name = name
    let contents = try COCOError.inFile(name) { try DatasetContents(json, needs: needs) }
    (images, categories, annotations) = (contents.images, contents.categories, contents.annotations)
    licenses = contents.licenses
    problems = contents.problems
    imageIndex = Self.index(images.map(\.id))
    categoryIndex = Self.index(categories.map(\.id))
  }

  /// A part of a dataset, which another rank has read.
  ///
  /// - Parameter bytes: the outlines that the annotations' `segmentation` names.
  init(name: String, image: ImageRecord, annotations: [Annotation], _ bytes: [UInt8], _ problems: RecordProblems) {
    (self.name, self.bytes, self.annotations, self.problems) = (name, bytes, annotations, problems)
    (images, categories, licenses) = ([image], [], nil)
    (imageIndex, categoryIndex) = ([image.id: 0], [:])
  }

  private static func index(_ ids: [Int64]) -> [Int64: Int] {
    Dictionary(zip(ids, ids.indices), uniquingKeysWith: { first, _ in first })
  }

  /// The image with this id; nil if there is none.
  public func image(_ id: Int64) -> ImageRecord? { imageIndex[id].map { images[$0] } }

  /// The category with this id; nil if there is none.
  public func category(_ id: Int64) -> Category? { categoryIndex[id].map { categories[$0] } }

  /// The annotations, ascending by id: the order of samples everywhere.
  public func annotationsByID() -> [Annotation] { annotations.sorted { $0.id < $1.id } }

  /// What is wrong with a value of an annotation, with the file and the place in it; nil if it is sound or absent.
  /// For code that needs a missing value.
  public func fault(of annotation: Annotation, _ key: AnnotationKey) -> COCOError? {
    guard annotation.faulty & key.key.bit != 0 else { return nil }
    let place = "annotations[\(annotation.position)].\(key.rawValue)"
    let listed = problems.problem(.annotation, at: annotation.position, place: place)
    return COCOError(file: name, jsonPath: listed?.place ?? place, problem: listed?.problem ?? "can't be read")
  }
}

/// The keys of an annotation that need not be there, and are treated as absent if they aren't what they should be.
public enum AnnotationKey: String, Sendable {
  case categoryID = "category_id"
  case isCrowd = "iscrowd"
  case area
  case boundingBox = "bbox"
  case segmentation
  case description
  case caption
  case question
  case answers

  var key: RecordKey {
    switch self {
    case .categoryID: .categoryID
    case .isCrowd: .isCrowd
    case .area: .area
    case .boundingBox: .boundingBox
    case .segmentation: .segmentation
    case .description: .description
    case .caption: .caption
    case .question: .question
    case .answers: .answers
    }
  }
}

/// An image's size in pixels.
public struct ImageSize: Sendable, Equatable, Hashable {
  public let width: Int
  public let height: Int

  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }
}

/// An image of a COCO file.
public struct ImageRecord: Sendable, Equatable, ListedRecord {
  public internal(set) var id: Int64
  /// The name of its file, below the folder of images.
  public let fileName: String
  /// The size stated by the file; nil if it is missing or impossible. The image itself determines it.
  public let size: ImageSize?

  /// Where its record is in the file.
  let json: Range<Int>
  /// Where its id is, where that is a string.
  let idText: Range<Int>?
  let position: Int
}

/// A category of a COCO file.
public struct Category: Sendable, Equatable, ListedRecord {
  public internal(set) var id: Int64
  public let name: String
  public let supercategory: String?

  let position: Int
}

/// An annotation of a COCO file: one object, and its description.
public struct Annotation: Sendable, Equatable, ListedRecord {
  public internal(set) var id: Int64
  public let imageID: Int64
  public let categoryID: Int64?
  /// Whether it marks a crowd, that is several objects at once; false if the file doesn't say.
  public let isCrowd: Bool
  /// The area the file states. - Units: pixels.
  public let area: Double?
  /// What the object is, in words; nil in a plain COCO file.
  public let description: String?
  /// The caption of the image, in a COCO captions file.
  public let caption: String?
  /// The question of a question-answering dataset, and the answers people gave.
  public let question: String?
  public let answers: [String]?
  public let boundingBox: BoundingBox?

  /// Where in the file its segmentation is, and its place in the list, for errors.
  var segmentation: Range<Int>?
  var position: Int
  /// The bits of the keys whose values can't be used.
  let faulty: UInt32

  /// Whether the file has an outline of the object, whatever it is worth.
  public var hasOutline: Bool { segmentation != nil }
}

/// An object's rectangle. - Units: pixels.
public struct BoundingBox: Sendable, Equatable {
  public let x: Double
  public let y: Double
  public let width: Double
  public let height: Double

  public init(x: Double, y: Double, width: Double, height: Double) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}

extension COCOError {
  func inFile(_ name: String) -> COCOError { COCOError(file: name, jsonPath: jsonPath, problem: problem) }

  /// Runs `body`, whose errors are about the file `name`.
  static func inFile<R>(_ name: String, _ body: () throws -> R) throws -> R {
    do { return try body() } catch let error as COCOError { throw error.inFile(name) }
  }
}
