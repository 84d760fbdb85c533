import COCO
import Foundation
import ImageInput
import RunSupport

/// The image, and of an annotation the object's description and mask.
struct Subject {
  let name: String
  let image: RGBImage
  let mask: BinaryMask?
  private let description: String?

  /// - Throws: an error that names the file, if there is no such image or annotation.
  init(_ source: AttendConfiguration.Subject) throws {
    switch source {
    case .picture(let url):
      name = url.lastPathComponent
      image = try decodeImage(contentsOf: url)
      (mask, description) = (nil, nil)
    case .annotation(let id, let file, let images):
      let dataset = try KeyObjectDataset(contentsOf: file)
      let annotations = dataset.annotationsByID()
      guard let annotation = annotations.first(where: { $0.id == id }), let record = dataset.image(annotation.imageID)
      else {
        if let lost = dataset.problems.lost.first(where: { $0.id == id }) { throw JobError("\(file.path): \(lost)") }
        let range = annotations.isEmpty ? "none" : "\(annotations[0].id) to \(annotations[annotations.count - 1].id)"
        throw JobError("\(file.path): has no annotation \(id); its \(annotations.count) annotations have ids \(range)")
      }
      name = "annotation \(id), \(record.fileName)"
      description = annotation.description ?? ""
      image = try JobInputs.image(record.fileName, in: images, size: record.size.map { ($0.width, $0.height) })
      mask = try dataset.mask(for: annotation, height: image.height, width: image.width)
    }
  }

  /// What is said of it, if the model doesn't say it.
  ///
  /// - Throws: `JobError` if that is nothing.
  func text(_ said: AttendConfiguration.Text) throws -> String {
    switch said {
    case .given(let text): return text.trimmingCharacters(in: .whitespacesAndNewlines)
    case .description, .generated:
      let text = (description ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
      guard !text.isEmpty else { throw JobError("\(name) has no description; give one with --text") }
      return text
    }
  }
}
