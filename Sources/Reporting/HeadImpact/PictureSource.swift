import COCO
import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO
import ImageInput

/// Where samples' photographs come from.
public struct PictureSource: Sendable {
  /// The key-object dataset that was scored; nil to take objects from the results file, by visual token.
  public let dataset: URL?
  /// The folder of its images.
  public let images: URL

  public init(dataset: URL?, images: URL) {
    self.dataset = dataset
    self.images = images
  }

  /// - Throws: `ImageError`, or `ReportError` where the name leaves the folder.
  fileprivate func photograph(_ fileName: String) throws -> Picture {
    guard let file = RelativePath.url(fileName, in: images) else {
      throw ReportError("file_name \"\(fileName)\" leaves the folder \(images.path)")
    }
    return try decodePicture(contentsOf: file)
  }
}

/// What is shown of a sample.
struct SamplePicture {
  let image: RGBImage
  let mask: BinaryMask
  let fileName: String
  let description: String
  /// Whether it is the photograph itself, or a blank of its size.
  let isPhotograph: Bool
}

extension ReportInput {
  /// A sample's picture: its photograph where that is at hand, else a blank with the object's visual tokens.
  ///
  /// - Returns: nil if the file doesn't say where the tokens lie, and no dataset does.
  /// - Throws: `ReportError` if the dataset doesn't have it; `COCOError`, `HDF5Error` or `ImageError`.
  func picture(of sample: HeadImpactReader.Sample) throws -> SamplePicture? {
    if let dataset, let source = options.source { return try dataset.sample(sample.id, in: source) }
    guard let own = sample.source, let tokens = try reader.tokenMask(of: sample) else { return nil }
    let image: RGBImage
    if let source = options.source {
      let found = try source.photograph(own.fileName)
      if let problem = found.header.problem(named: own.fileName, statedSize: (own.width, own.height)) {
        throw ReportError(problem)
      }
      image = found.image
    } else {
      let pixels = [UInt8](repeating: 236, count: own.width * own.height * 3)
      image = RGBImage(width: own.width, height: own.height, pixels: pixels)
    }
    let size = (width: image.width, height: image.height)
    let boxes = zip(tokens, sample.views.flatMap(\.cells)).filter(\.0).map { PixelBox($1, of: size, in: size) }
    return SamplePicture(
      image: image, mask: BinaryMask(width: size.width, height: size.height, boxes: boxes), fileName: own.fileName,
      description: own.description, isPhotograph: options.source != nil)
  }

  /// A category's name where the file or the dataset has it, else its id.
  func categoryName(_ id: Int) -> String {
    if id == -1 { return "none" }
    return reader.categoryName(id) ?? dataset?.contents.category(Int64(id))?.name ?? "category \(id)"
  }

  /// Whether any sample's description is known.
  var hasDescriptions: Bool { dataset != nil || reader.samples.contains { $0.source != nil } }

  func description(of sample: HeadImpactReader.Sample) -> String {
    sample.source?.description ?? dataset?.description(of: sample.id) ?? ""
  }
}

/// The dataset that was scored, read again.
struct ReportedDataset {
  let contents: KeyObjectDataset
  private let annotations: [Int64: Annotation]

  /// - Parameter digest: of the dataset, according to the file; nil if it has none.
  /// - Throws: `COCOError`, or `ReportError` where it is another dataset.
  init(_ dataset: URL, digest: String?, of file: String) throws {
    let bytes: [UInt8]
    do { bytes = try InputFile.read(dataset) } catch { throw ReportError("\(error)") }
    let actual = try bytes.withUnsafeBytes { try SHA256.hex(of: $0) }
    if let digest, digest != actual {
      throw ReportError(
        "\(dataset.path): isn't the dataset that \(file) was made from (SHA-256 \(actual.prefix(12))…, there "
          + "\(digest.prefix(12))…); give that one, or leave --dataset out")
    }
    contents = try KeyObjectDataset(json: Data(bytes), name: dataset.path)
    annotations = Dictionary(contents.annotations.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  func description(of id: Int) -> String? { annotations[Int64(id)]?.description }

  /// A sample's picture, its mask drawn from its polygons.
  ///
  /// - Throws: `ReportError` if the dataset doesn't have them; `COCOError` or `ImageError`.
  fileprivate func sample(_ id: Int, in source: PictureSource) throws -> SamplePicture {
    guard let annotation = annotations[Int64(id)], let record = contents.image(annotation.imageID) else {
      throw ReportError("\(contents.name): has no annotation \(id), which was scored")
    }
    let picture = try source.photograph(record.fileName)
    let image = picture.image
    let size = record.size.map { ($0.width, $0.height) }
    if let problem = size.flatMap({ picture.header.problem(named: record.fileName, statedSize: $0) }) {
      throw ReportError(problem)
    }
    return SamplePicture(
      image: image, mask: try contents.mask(for: annotation, height: image.height, width: image.width),
      fileName: record.fileName, description: annotation.description ?? "", isPhotograph: true)
  }
}
