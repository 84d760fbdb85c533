import COCO
import Foundation
import JSON

/// Referring expressions as one JSON object per line, in the two forms that are commonly republished:
///
///     {"image": "train2014/COCO_train2014_000000581857.jpg", "sent": "…", "bbox": [x1, y1, x2, y2], "height": …, "width": …}
///     {"img_path": "COCO_train2014_000000581857.jpg", "expression": "…", "bbox": [x1, y1, x2, y2], "height": …, "width": …}
///
/// The first is Qwen-VL's, the second Shikra's. Boxes are corners here, not COCO's x, y, width and height. A line may have
/// COCO's `segmentation`; height and width may be missing.
enum GroundingLines {
  /// Whether a file is of this kind: its first line is an object of its own, and no COCO file.
  static func areLines(_ bytes: [UInt8]) -> Bool {
    guard let first = lines(of: bytes).first?.bytes, first.first == UInt8(ascii: "{") else { return false }
    var isCOCO = false
    do {
      try JSONReader.read(Array(first)) { reader in
        try reader.readObject { reader, key in
          if key.isSame(as: "images") || key.isSame(as: "annotations") { isCOCO = true }
          try reader.skipValue()
        }
      }
    } catch { return false }  // half of an object: the file has one object on several lines
    return !isCOCO
  }

  /// The same as COCO's JSON: an annotation per line, whose id is the line's number, and an image per picture.
  ///
  /// - Throws: `COCOError` naming the file and the line.
  static func coco(_ bytes: [UInt8], name: String) throws -> [UInt8] {
    var images: [String: Int] = [:]
    var records: [String] = []
    var annotations: [String] = []
    for (number, bytes) in lines(of: bytes) {
      let line = try Line(bytes) { COCOError(file: name, jsonPath: "line \(number)", problem: $0) }
      if images[line.file] == nil {
        images[line.file] = images.count + 1
        let sides = line.size.map { #", "width": \#($0.width), "height": \#($0.height)"# } ?? ""
        records.append(#"{"id": \#(images.count), "file_name": \#(try quoted(line.file))\#(sides)}"#)
      }
      let outline = try line.outline.map { #", "segmentation": \#(try text(of: $0))"# } ?? ""
      let box = "[\(line.box.x), \(line.box.y), \(line.box.width), \(line.box.height)]"
      annotations.append(
        #"{"id": \#(number), "image_id": \#(images[line.file] ?? 0), "bbox": \#(box)\#(outline), "#
          + #""description": \#(try quoted(line.expression))}"#)
    }
    return Array(
      (#"{"images": ["# + records.joined(separator: ",\n") + #"], "annotations": ["#
        + annotations.joined(separator: ",\n") + "]}").utf8)
  }

  /// One of the file's lines.
  private struct Line {
    let file: String
    let expression: String
    let box: BoundingBox
    let size: ImageSize?
    let outline: JSONValue?

    init(_ bytes: ArraySlice<UInt8>, wrong: (String) -> COCOError) throws {
      let value: JSONValue
      do { value = try JSONValue.read(Array(bytes)) } catch { throw wrong("\(error)") }
      guard value.members != nil else { throw wrong("an object is expected") }
      guard let file = value["image"]?.string ?? value["img_path"]?.string else {
        throw wrong("the picture's path is expected as image (Qwen-VL) or img_path (Shikra)")
      }
      guard let expression = value["sent"]?.string ?? value["expression"]?.string else {
        throw wrong("the expression is expected as sent (Qwen-VL) or expression (Shikra)")
      }
      guard let corners = value["bbox"]?.list(\.double), corners.count == 4, corners[2] > corners[0],
        corners[3] > corners[1]
      else { throw wrong("bbox must be four numbers, x1, y1, x2 > x1 and y2 > y1: corners in pixels") }
      (self.file, self.expression, outline) = (file, expression, value["segmentation"])
      box = BoundingBox(x: corners[0], y: corners[1], width: corners[2] - corners[0], height: corners[3] - corners[1])
      guard value["width"] != nil || value["height"] != nil else {
        size = nil
        return
      }
      guard let width = value["width"]?.integer, let height = value["height"]?.integer, width > 0, height > 0 else {
        throw wrong("width and height must be whole numbers of pixels, both or neither")
      }
      guard corners[0] >= -1, corners[1] >= -1, corners[2] <= Double(width) + 1, corners[3] <= Double(height) + 1 else {
        throw wrong(
          "bbox \(corners) leaves the image of \(width) x \(height) pixels; are these corners, x1, y1, x2, y2?")
      }
      size = ImageSize(width: width, height: height)
    }
  }

  /// A value as JSON.
  private static func text(of value: JSONValue) throws -> String {
    switch value {
    case .null: return "null"
    case .bool(let value): return "\(value)"
    case .integer(let number): return "\(number)"
    case .unsigned(let number): return "\(number)"
    case .number(let number): return "\(number)"
    case .string(let string): return try quoted(string.text)
    case .array(let elements): return "[" + (try elements.map(text)).joined(separator: ", ") + "]"
    case .object(let members):
      let pairs = try members.map { "\(try quoted($0.key.text)): \(try text(of: $0.value))" }
      return "{" + pairs.joined(separator: ", ") + "}"
    }
  }

  private static func quoted(_ string: String) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return String(decoding: try encoder.encode(string), as: UTF8.self)
  }

  /// Those that aren't empty, with their numbers from 1.
  private static func lines(of bytes: [UInt8]) -> [(number: Int, bytes: ArraySlice<UInt8>)] {
    bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().compactMap {
      index, line in
      line.allSatisfy { [0x20, 0x09, 0x0d].contains($0) } ? nil : (index + 1, line)
    }
  }
}
