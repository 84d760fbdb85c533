import Foundation

extension KeyObjectDataset {
  /// An annotation of this file with its description in a new one.
  public struct DescribedAnnotation: Sendable {
    public let annotation: Annotation
    public let description: String
    /// More of what the annotation holds, each value as JSON.
    public let remarks: [(key: String, json: String)]
    /// Whether pycocotools reads the outline in the same way; then it is written unchanged.
    public let hasPlainOutline: Bool

    public init(
      _ annotation: Annotation, description: String, remarks: [(key: String, json: String)] = [],
      hasPlainOutline: Bool = true
    ) {
      self.annotation = annotation
      self.hasPlainOutline = hasPlainOutline
      self.description = description
      self.remarks = remarks
    }
  }

  /// A key-object dataset of some of this file's annotations, their images and all categories (docs/formats.md, "Key-object
  /// dataset"). Records of images, categories' names and outlines are as in this file.
  ///
  /// - Parameters:
  ///   - chosen: of this file.
  ///   - info: a JSON object.
  /// - Throws: `COCOError` if an annotation has no outline.
  public func json(of chosen: [DescribedAnnotation], info: String) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    func string(_ text: String) throws -> String { String(decoding: try encoder.encode(text), as: UTF8.self) }
    var json = Data("{\"info\": \(info),\n".utf8)
    func append(_ text: String) { json.append(contentsOf: text.utf8) }
    func list(_ name: String, count: Int, end: String, _ item: (Int) throws -> Void) rethrows {
      append("\"\(name)\": [\n")
      for at in 0..<count {
        if at > 0 { append(",\n") }
        try item(at)
      }
      append("\n]\(end)\n")
    }
    if let licenses {
      append("\"licenses\": ")
      json.append(contentsOf: bytes[licenses])
      append(",\n")
    }
    let used = Set(chosen.map(\.annotation.imageID))
    let images = images.filter { used.contains($0.id) }
    list("images", count: images.count, end: ",") { at in
      let image = images[at]
      guard let id = image.idText else { return json.append(contentsOf: bytes[image.json]) }
      // An id in quotes would be another than the annotations' to pycocotools.
      json.append(contentsOf: bytes[image.json.lowerBound..<id.lowerBound])
      append("\(image.id)")
      json.append(contentsOf: bytes[id.upperBound..<image.json.upperBound])
    }
    try list("categories", count: categories.count, end: ",") { at in
      let (category, above) = (categories[at], categories[at].supercategory)
      append("{\"id\": \(category.id), \"name\": \(try string(category.name))")
      append(try above.map { ", \"supercategory\": \(try string($0))" } ?? "")
      append("}")
    }
    try list("annotations", count: chosen.count, end: "}") { at in
      let annotation = chosen[at].annotation
      guard let outline = annotation.segmentation else {
        throw COCOError(file: name, problem: "annotation \(annotation.id) has no segmentation")
      }
      append("{\"id\": \(annotation.id), \"image_id\": \(annotation.imageID), ")
      append(annotation.categoryID.map { "\"category_id\": \($0), " } ?? "")
      append("\"iscrowd\": \(annotation.isCrowd ? 1 : 0), ")
      append(annotation.area.map { "\"area\": \($0), " } ?? "")
      append(annotation.boundingBox.map { "\"bbox\": [\($0.x), \($0.y), \($0.width), \($0.height)], " } ?? "")
      append("\"segmentation\": ")
      if chosen[at].hasPlainOutline {
        json.append(contentsOf: bytes[outline])
      } else {
        json.append(contentsOf: try COCOError.inFile(name) { try writtenOutline(of: annotation) })
      }
      append(", \"description\": \(try string(chosen[at].description))")
      for remark in chosen[at].remarks { append(", \"\(remark.key)\": \(remark.json)") }
      append("}")
    }
    return json
  }
}
