import COCO
import Foundation
import IO
import ImageInput
import RunSupport

/// Checks everything in a key-object dataset: files, sizes, masks, descriptions.
public struct DatasetCheck {
  /// Something that is wrong.
  public struct Finding: Sendable, Encodable, Equatable {
    public enum Kind: String, Sendable, Encodable {
      /// A record of the file, or a value of one.
      case record
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
    /// Images that were turned upright according to their EXIF orientation.
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

  /// - Throws: `COCOError` if the file can't be read as a dataset at all; `EnvironmentFault` where the folder of the
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
    findings += Self.records(contents.problems)
    for annotation in contents.annotationsByID() { findings += try check(annotation, of: contents) }
    findings += Self.ambiguous(in: contents)
    return Report(
      images: contents.images.count, annotations: contents.annotations.count, turned: turned.count, findings: findings)
  }

  /// The size of an image according to the dataset, or else to the image; nil if that is corrupt, which is a finding of
  /// its own.
  private func size(of image: ImageRecord) throws -> ImageSize? {
    if let size = image.size { return size }
    do {
      let size = try JobInputs.imageSize(image.fileName, in: images, size: nil)
      return ImageSize(width: size.width, height: size.height)
    } catch is any ContentFault { return nil }
  }

  /// Problems of records, except those that `check(_:of:)` finds itself.
  private static func records(_ problems: RecordProblems) -> [Finding] {
    let passed = [AnnotationKey.segmentation, .description, .question, .answers].map { ".\($0.rawValue)" }
    var findings = problems.listed.compactMap { problem -> Finding? in
      if problem.cost == .value, passed.contains(where: problem.place.contains) { return nil }
      let cost = problem.cost == .record ? "; it is left out" : ""
      return Finding(kind: .record, subject: problem.subject, problem: "\(problem.place): \(problem.problem)\(cost)")
    }
    if problems.unlisted > 0 {
      findings.append(
        Finding(
          kind: .record, subject: "the file",
          problem:
            "\(problems.unlisted) more \(agreeing(with: problems.unlisted, "record has", "records have")) problems"))
    }
    return findings
  }

  /// Descriptions that two objects of an image have: each object's mask is then wrong for the other's sake.
  private static func ambiguous(in contents: KeyObjectDataset) -> [Finding] {
    var first: [String: Int64] = [:]
    return contents.annotationsByID().compactMap { annotation in
      let text = (annotation.description ?? "").lowercased().split { $0.isWhitespace }.joined(separator: " ")
      guard annotation.question == nil, !text.isEmpty else { return nil }
      let key = "\(annotation.imageID) \(text)"
      guard let other = first[key] else {
        first[key] = annotation.id
        return nil
      }
      return Finding(
        kind: .description, subject: "annotation \(annotation.id)",
        problem: "annotation \(other) of the same image has the same: it could be about either")
    }
  }

  /// - Throws: `EnvironmentFault`: where a folder isn't mounted, nothing is known of its pictures.
  private func check(_ image: ImageRecord) throws -> [Finding] {
    let subject = "image \(image.id)"
    let header: PictureHeader
    do {
      // Decodes the whole image: a file that is cut off has a valid header.
      header = try decodePicture(contentsOf: JobInputs.imageURL(image.fileName, in: images)).header
    } catch let error as any ContentFault {
      return [Finding(kind: .file, subject: subject, problem: "\(error)")]
    }
    turned.note(header)
    let size = image.size.map { ($0.width, $0.height) }
    let problem = size.flatMap { header.problem(named: image.fileName, statedSize: $0) }
    return problem.map { [Finding(kind: .size, subject: subject, problem: $0)] } ?? []
  }

  private func check(_ annotation: Annotation, of contents: KeyObjectDataset) throws -> [Finding] {
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
        let fault = contents.fault(of: annotation, .description).map { "\($0)" }
        find(.description, fault ?? (annotation.description == nil ? "it is missing" : "it is empty"))
      } else if text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
        find(.description, "it has control characters: \(text.debugDescription)")
      }
    } else if annotation.answers?.isEmpty != false {
      find(.description, "the question has no answers")
    }
    if annotation.isCrowd { find(.mask, "it marks a crowd, not one object") }
    let outline = contents.outlineProblems(of: [annotation]).listed
    for problem in outline { find(.mask, "\(problem.place): \(problem.problem)") }
    if outline.contains(where: { $0.cost == .record }) { return findings }
    do {
      guard let image = contents.image(annotation.imageID), let size = try size(of: image) else { return findings }
      let area = try contents.mask(for: annotation, height: size.height, width: size.width).area
      if area == 0 { find(.mask, "it covers no pixel of the image") }
      // The area that COCO states is the polygons' own; a few pixels of the rim make the difference.
      if let stated = annotation.area, area > 0, abs(Double(area) - stated) > Swift.max(50, 0.25 * stated) {
        find(.mask, "it covers \(area) pixels; the annotation states an area of \(stated)")
      }
    } catch let error as COCOError {
      find(.mask, "\(error)")
    }
    return findings
  }
}
