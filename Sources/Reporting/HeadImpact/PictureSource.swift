import COCO
import Foundation
import IO
import ImageInput

/// Where samples' pictures come from.
public struct PictureSource: Sendable {
  /// The key-object dataset that was scored.
  public let dataset: URL
  /// The folder of its images.
  public let images: URL

  public init(dataset: URL, images: URL) {
    self.dataset = dataset
    self.images = images
  }
}

/// The dataset that was scored, read again.
struct ReportedDataset {
  let contents: KeyObjectDataset
  let images: URL
  private let annotations: [Int64: Annotation]

  /// - Parameter digest: of the dataset, according to the file; nil if it has none.
  /// - Throws: `COCOError`, or `ReportError` where it is another dataset.
  init(_ source: PictureSource, digest: String?, of file: String) throws {
    let bytes: [UInt8]
    do { bytes = try InputFile.read(source.dataset) } catch { throw ReportError("\(error)") }
    let actual = try bytes.withUnsafeBytes { try SHA256.hex(of: $0) }
    if let digest, digest != actual {
      throw ReportError(
        "\(source.dataset.path): isn't the dataset that \(file) was made from (SHA-256 \(actual.prefix(12))…, there "
          + "\(digest.prefix(12))…); give that one, or leave --dataset and --images out")
    }
    contents = try KeyObjectDataset(json: Data(bytes), name: source.dataset.path)
    images = source.images
    annotations = Dictionary(contents.annotations.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// A sample's annotation, its picture and its mask.
  ///
  /// - Throws: `ReportError` if the dataset doesn't have them; `COCOError` or `ImageError`.
  func sample(_ id: Int) throws -> (annotation: Annotation, fileName: String, image: RGBImage, mask: BinaryMask) {
    guard let annotation = annotations[Int64(id)], let record = contents.image(annotation.imageID) else {
      throw ReportError("\(contents.name): has no annotation \(id), which was scored")
    }
    guard let file = RelativePath.url(record.fileName, in: images) else {
      throw ReportError("\(contents.name): file_name \"\(record.fileName)\" leaves the images folder")
    }
    let picture = try decodePicture(contentsOf: file)
    let size = record.size.map { ($0.width, $0.height) }
    if let problem = size.flatMap({ picture.header.problem(named: record.fileName, statedSize: $0) }) {
      throw ReportError(problem)
    }
    let image = picture.image
    let mask = try contents.mask(for: annotation, height: image.height, width: image.width)
    return (annotation, record.fileName, image, mask)
  }
}
