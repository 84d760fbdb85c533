import Foundation

/// A key-object dataset, or any COCO instances file: images, categories and annotations, one sample each.
///
/// Checked when read: the JSON, the types, that ids are unique and that each annotation's image exists. Masks stay as
/// they are in the file until they are asked for: most of such a file is outlines, and a job needs few at a time.
public struct KeyObjectDataset: Sendable {
  /// The file as the user named it: every error begins with it.
  public let name: String
  public let images: [ImageRecord]
  /// Empty where the file has none.
  public let categories: [Category]
  /// In the order of the file.
  public let annotations: [Annotation]

  let bytes: [UInt8]
  let licenses: Range<Int>?
  private let imageIndex: [Int64: Int]
  private let categoryIndex: [Int64: Int]

  /// - Throws: `COCOError` with the file and the place in it, such as `annotations[3].image_id`.
  public init(contentsOf url: URL) throws {
    try self.init(json: try Data(readingCOCO: url), name: url.path)
  }

  /// - Parameter name: what errors call the file.
  public init(json: Data, name: String) throws {
    bytes = [UInt8](json)
    self.name = name
    do {
      let contents = try DatasetContents(bytes)
      (images, categories, annotations) = (contents.images, contents.categories, contents.annotations)
      licenses = contents.licenses
      imageIndex = try uniqueIndex(images.map(\.id), of: "images")
      categoryIndex = try uniqueIndex(categories.map(\.id), of: "categories")
      _ = try uniqueIndex(annotations.map(\.id), of: "annotations")
    } catch let error as COCOError {
      throw error.inFile(name)
    }
    for (at, annotation) in annotations.enumerated() where imageIndex[annotation.imageID] == nil {
      throw COCOError(
        file: name, jsonPath: "annotations[\(at)].image_id",
        problem: "there is no image with the id \(annotation.imageID) in the file")
    }
  }

  /// The image with this id; nil where there is none.
  public func image(_ id: Int64) -> ImageRecord? { imageIndex[id].map { images[$0] } }

  /// The category with this id; nil where there is none.
  public func category(_ id: Int64) -> Category? { categoryIndex[id].map { categories[$0] } }

  /// The annotations, ascending by id: the order of samples everywhere.
  public func annotationsByID() -> [Annotation] { annotations.sorted { $0.id < $1.id } }
}

/// An image of a COCO file.
public struct ImageRecord: Sendable, Equatable {
  public let id: Int64
  /// The name of its file, below the folder of images.
  public let fileName: String
  /// - Units: pixels.
  public let width: Int
  /// - Units: pixels.
  public let height: Int

  /// Where its record is in the file.
  let json: Range<Int>
}

/// A category of a COCO file.
public struct Category: Sendable, Equatable {
  public let id: Int64
  public let name: String
  public let supercategory: String?
}

/// An annotation of a COCO file: one object, and what is said of it.
public struct Annotation: Sendable, Equatable {
  public let id: Int64
  public let imageID: Int64
  public let categoryID: Int64?
  /// Whether it marks a crowd, that is several objects at once.
  public let isCrowd: Bool
  /// The area the file states. - Units: pixels.
  public let area: Double?
  /// What the object is, in words; nil in a plain COCO file.
  public let description: String?
  /// What is said of the whole image, in a COCO captions file.
  public let caption: String?
  /// The question of a question-answering dataset, and the answers people gave.
  public let question: String?
  public let answers: [String]?
  public let boundingBox: BoundingBox?

  /// Where in the file its segmentation is, and its place in the list, for errors.
  let segmentation: Range<Int>?
  let position: Int
}

/// An object's rectangle. - Units: pixels.
public struct BoundingBox: Sendable, Equatable {
  public let x: Double
  public let y: Double
  public let width: Double
  public let height: Double
}

extension Data {
  /// - Throws: `COCOError` naming the file.
  init(readingCOCO url: URL) throws {
    do {
      try self.init(contentsOf: url)
    } catch {
      throw COCOError(file: url.path, problem: "can't be read: \(error.localizedDescription)")
    }
  }
}

extension COCOError {
  func inFile(_ name: String) -> COCOError { COCOError(file: name, jsonPath: jsonPath, problem: problem) }

  /// Runs `body`, whose errors are about the file `name`.
  static func inFile<R>(_ name: String, _ body: () throws -> R) throws -> R {
    do { return try body() } catch let error as COCOError { throw error.inFile(name) }
  }
}

/// Where each id is in a `list`.
///
/// - Throws: `COCOError` where an id occurs twice.
func uniqueIndex(_ ids: [Int64], of list: String) throws -> [Int64: Int] {
  var index: [Int64: Int] = [:]
  index.reserveCapacity(ids.count)
  for (at, id) in ids.enumerated() {
    if let earlier = index.updateValue(at, forKey: id) {
      throw COCOError(
        jsonPath: "\(list)[\(at)].id", problem: "the id \(id) is taken: \(list)[\(earlier)] has it already")
    }
  }
  return index
}
