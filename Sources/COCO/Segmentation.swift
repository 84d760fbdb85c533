/// An annotation's outline as the file has it.
public enum Segmentation: Sendable, Equatable {
  /// One list of x0, y0, x1, y1, … for each part. - Units: pixels.
  case polygons([[Double]])
  case runs(RunLengthEncoding)
}

extension KeyObjectDataset {
  /// The annotation's segmentation, read from the file's bytes.
  ///
  /// - Throws: `COCOError` with the file and the place in it, where it is missing or malformed.
  public func segmentation(of annotation: Annotation) throws -> Segmentation {
    let path = "annotations[\(annotation.position)].segmentation"
    guard let range = annotation.segmentation else {
      throw COCOError(file: name, jsonPath: path, problem: "annotation \(annotation.id) has no segmentation")
    }
    precondition(range.upperBound <= bytes.count, "the annotation is of another dataset")
    var reader = JSONReader(bytes, range: range, root: path)
    do {
      return try reader.peek() == .array
        ? .polygons(try Self.polygons(&reader)) : .runs(try Self.runs(&reader))
    } catch let error as COCOError {
      throw error.inFile(name)
    }
  }

  /// Sees whether a mask can be made of the annotation's outline, without making it.
  ///
  /// - Throws: as `mask(for:)`.
  public func checkOutline(of annotation: Annotation) throws {
    let image = try image(of: annotation)
    try withOutline(of: annotation, height: image.height, width: image.width) { _ in
    } polygons: {
      try PolygonRasterizer.check($0)
    }
  }

  /// The annotation's mask over its image.
  ///
  /// The same pixels as pycocotools makes of it, whether the file has polygons, counts or compressed counts.
  ///
  /// - Throws: `COCOError` with the file and the place in it, where the segmentation is missing or malformed, or
  ///   where its size is not the image's.
  public func mask(for annotation: Annotation) throws -> BinaryMask {
    let image = try image(of: annotation)
    return try mask(for: annotation, height: image.height, width: image.width)
  }

  /// The annotation's mask over an image of this size, where the picture itself is the authority on it.
  public func mask(for annotation: Annotation, height: Int, width: Int) throws -> BinaryMask {
    try withOutline(of: annotation, height: height, width: width) {
      $0.decoded()
    } polygons: {
      try BinaryMask(polygons: $0, height: height, width: width)
    }
  }

  private func image(of annotation: Annotation) throws -> ImageRecord {
    guard let image = image(annotation.imageID) else {
      throw COCOError(
        file: name, jsonPath: "annotations[\(annotation.position)].image_id",
        problem: "there is no image with the id \(annotation.imageID) in the file")
    }
    return image
  }

  /// Does something with either form of an outline, and says where in the file it is wrong.
  private func withOutline<Result>(
    of annotation: Annotation, height: Int, width: Int, runs: (RunLengthEncoding) -> Result,
    polygons: ([[Double]]) throws -> Result
  ) throws -> Result {
    let path = "annotations[\(annotation.position)].segmentation"
    switch try segmentation(of: annotation) {
    case .runs(let encoding):
      guard encoding.height == height, encoding.width == width else {
        throw COCOError(
          file: name, jsonPath: path + ".size",
          problem: "the mask is \(encoding.width) x \(encoding.height) pixels, its image \(width) x \(height)")
      }
      return runs(encoding)
    case .polygons(let parts):
      do {
        return try polygons(parts)
      } catch let error as COCOError {
        throw COCOError(file: name, jsonPath: path + error.jsonPath, problem: error.problem)
      }
    }
  }

  private static func polygons(_ reader: inout JSONReader) throws -> [[Double]] {
    var polygons: [[Double]] = []
    try reader.readArray { reader in
      var coordinates: [Double] = []
      try reader.readArray { coordinates.append(try $0.readDouble()) }
      polygons.append(coordinates)
    }
    return polygons
  }

  private static func runs(_ reader: inout JSONReader) throws -> RunLengthEncoding {
    var size: [Int] = []
    var counts: [Int]?
    var compressed: String?
    try reader.readObject { reader, key in
      switch key {
      case "size":
        try reader.readArray { size.append(Int(try $0.readInteger())) }
        guard size.count == 2 else {
          throw reader.failure("\(size.count) numbers, where the height and the width are expected")
        }
      case "counts":
        guard try reader.peek() == .array else {
          compressed = try reader.readString()
          return
        }
        var list: [Int] = []
        try reader.readArray { list.append(Int(try $0.readInteger())) }
        counts = list
      default: try reader.skipValue()
      }
    }
    guard size.count == 2 else { throw reader.failure("the key \"size\" is missing") }
    do {
      if let counts { return try RunLengthEncoding(height: size[0], width: size[1], counts: counts) }
      if let compressed { return try RunLengthEncoding(height: size[0], width: size[1], compressed: compressed) }
    } catch let error as COCOError {
      throw reader.failure(error.problem)
    }
    throw reader.failure("the key \"counts\" is missing")
  }
}
