import COCO
import Foundation
import ImageInput
import RunSupport

/// The image, the text about it, and the object's mask, if any.
struct Subject {
  let name: String
  let image: RGBImage
  let text: String
  let mask: BinaryMask?

  /// - Throws: an error that names the file, if there is no such image or annotation, or no text.
  init(_ source: AttendConfiguration.Subject) throws {
    switch source {
    case .picture(let url, let text):
      name = url.lastPathComponent
      image = try decodeImage(contentsOf: url)
      mask = nil
      self.text = try Self.text(text, missing: "--text is empty: describe what the image shows")
    case .annotation(let id, let file, let images, let text):
      let dataset = try KeyObjectDataset(contentsOf: file)
      let annotations = dataset.annotationsByID()
      guard let annotation = annotations.first(where: { $0.id == id }), let record = dataset.image(annotation.imageID)
      else {
        if let lost = dataset.problems.lost.first(where: { $0.id == id }) { throw JobError("\(file.path): \(lost)") }
        let range = annotations.isEmpty ? "none" : "\(annotations[0].id) to \(annotations[annotations.count - 1].id)"
        throw JobError("\(file.path): has no annotation \(id); its \(annotations.count) annotations have ids \(range)")
      }
      name = "annotation \(id), \(record.fileName)"
      self.text = try Self.text(
        text ?? annotation.description ?? "",
        missing: "\(file.path): annotation \(id) has no description; give one with --text")
      image = try JobInputs.image(record.fileName, in: images, size: record.size.map { ($0.width, $0.height) })
      mask = try dataset.mask(for: annotation, height: image.height, width: image.width)
    }
  }

  private static func text(_ text: String, missing: String) throws -> String {
    let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !text.isEmpty else { throw JobError(missing) }
    return text
  }
}
