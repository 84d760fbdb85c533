import COCO
import Files
import Foundation
import ImageInput
import Jobs

/// Looks at everything that a key-object dataset says: files, sizes, masks, descriptions.
public struct DatasetCheck {
  /// Something that is wrong.
  public struct Finding: Sendable, Encodable, Equatable {
    public enum Kind: String, Sendable, Encodable {
      case file
      case size
      case mask
      case description
      case category
    }

    public let kind: Kind
    /// "image 139", "annotation 7".
    public let subject: String
    public let problem: String
  }

  public struct Report: Sendable, Encodable {
    public let images: Int
    public let annotations: Int
    /// Pictures that were turned upright, as their files' orientation says.
    public let turned: Int
    public let findings: [Finding]
  }

  private let dataset: URL
  private let images: URL
  private let turned = TurnedPictures()

  public init(dataset: URL, images: URL) {
    self.dataset = dataset
    self.images = images
  }

  /// - Throws: `COCOError` where the file can't be read as a dataset at all; `EnvironmentFault` where the folder of the
  ///   images can't.
  public func run(isQuiet: Bool = false) throws -> Report {
    let contents = try KeyObjectDataset(contentsOf: dataset)
    let progress = ProgressReporter(
      total: contents.images.count, begun: 0, ranks: 1, isQuiet: isQuiet)
    var findings: [Finding] = []
    for image in contents.images {
      findings += try check(image)
      progress.advance(by: 1)
    }
    progress.finish()
    for annotation in contents.annotationsByID() { findings += check(annotation, of: contents) }
    return Report(
      images: contents.images.count, annotations: contents.annotations.count, turned: turned.count, findings: findings)
  }

  /// - Throws: `EnvironmentFault`: where a folder isn't mounted, nothing is known of its pictures.
  private func check(_ image: ImageRecord) throws -> [Finding] {
    let subject = "image \(image.id)"
    let header: PictureHeader
    do {
      // The whole picture: a file that ends too early has a sound header.
      header = try decodePicture(contentsOf: JobInputs.imageURL(image.fileName, in: images)).header
    } catch let error as EnvironmentFault {
      throw error
    } catch {
      return [Finding(kind: .file, subject: subject, problem: "\(error)")]
    }
    turned.note(header)
    let problem = header.problem(named: image.fileName, statedSize: (image.width, image.height))
    return problem.map { [Finding(kind: .size, subject: subject, problem: $0)] } ?? []
  }

  private func check(_ annotation: Annotation, of contents: KeyObjectDataset) -> [Finding] {
    var findings: [Finding] = []
    func find(_ kind: Finding.Kind, _ problem: String) {
      findings.append(Finding(kind: kind, subject: "annotation \(annotation.id)", problem: problem))
    }
    if let category = annotation.categoryID, contents.category(category) == nil {
      find(.category, "there is no category with the id \(category)")
    }
    if annotation.question == nil {
      let text = annotation.description ?? ""
      if text.allSatisfy(\.isWhitespace) {
        find(.description, annotation.description == nil ? "there is none" : "it is empty")
      } else if text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
        find(.description, "it has control characters: \(text.debugDescription)")
      }
    } else if annotation.answers?.isEmpty != false {
      find(.description, "the question has no answers")
    }
    if annotation.isCrowd { find(.mask, "it marks a crowd, not one object") }
    do {
      let area = try contents.mask(for: annotation).area
      if area == 0 { find(.mask, "it covers no pixel of the image") }
      // The area that COCO states is the polygons' own; a few pixels of the rim make the difference.
      if let stated = annotation.area, area > 0, abs(Double(area) - stated) > Swift.max(50, 0.25 * stated) {
        find(.mask, "it covers \(area) pixels; the annotation states an area of \(stated)")
      }
    } catch {
      find(.mask, "\(error)")
    }
    return findings
  }
}
