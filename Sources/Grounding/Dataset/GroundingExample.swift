import COCO
import IO

/// An expression, and the object that it refers to.
struct GroundingExample: Sendable, Equatable {
  /// Unique in the file: the annotation's, or the expression's.
  let id: Int64
  let annotationID: Int64
  let expression: String
  /// As the file has it; nil if it has none. - Units: pixels.
  let box: BoundingBox?

  init(id: Int64, annotationID: Int64, expression: String, box: BoundingBox?) {
    (self.id, self.annotationID, self.expression, self.box) = (id, annotationID, expression, box)
  }

  func encode(into writer: inout ByteWriter) {
    writer.integer(Int(id))
    writer.integer(Int(annotationID))
    writer.text(expression)
    writer.optional(box) { writer, box in
      for side in [box.x, box.y, box.width, box.height] { writer.integer(Int(Int64(bitPattern: side.bitPattern))) }
    }
  }

  /// - Throws: `ByteCodingError` if the bytes are none that `encode` makes.
  init(_ reader: inout ByteReader) throws {
    id = Int64(try reader.integer())
    annotationID = Int64(try reader.integer())
    expression = try reader.text()
    box = try reader.optional { reader in
      let sides = try (0..<4).map { _ in Double(bitPattern: UInt64(bitPattern: Int64(try reader.integer()))) }
      return BoundingBox(x: sides[0], y: sides[1], width: sides[2], height: sides[3])
    }
  }
}
