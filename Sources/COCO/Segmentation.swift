import JSON

/// An annotation's outline: the parts of it that can be used, and what is wrong with the others.
public struct Outline: Sendable {
  /// One part. pycocotools knows polygons alone, or a list of run lengths; here a list may have both.
  enum Part: Sendable {
    case polygon(PolygonRasterizer.FineOutline)
    case runs(RunLengthEncoding)
  }

  /// The parts, the place of each for errors, and where it is in the file.
  private(set) var parts: [(part: Part, path: String, json: Range<Int>)] = []
  /// Whether pycocotools makes the same mask from the file's own encoding.
  private(set) var isPlain = true
  /// What is wrong with the parts that are left out, with the place of each in the file.
  public private(set) var lost: [COCOError] = []
  /// Whether every part that can be used is a polygon.
  private(set) var hasOnlyPolygons = false
  /// Where the outline is in the file.
  private let place: String

  /// The parts that fit an image of this size, or an image whose size isn't known.
  ///
  /// - Throws: `COCOError` if none does.
  func fitting(_ size: ImageSize?) throws -> Outline {
    var fitting = Outline(place)
    fitting.lost = lost
    fitting.isPlain = isPlain
    fitting.hasOnlyPolygons = hasOnlyPolygons
    var steps = 0
    for (part, path, json) in parts {
      do {
        switch part {
        case .polygon(let outline): try PolygonRasterizer.count(outline, in: &steps)
        case .runs(let runs):
          if let size, runs.width != size.width || runs.height != size.height {
            throw COCOError(
              jsonPath: ".size",
              problem: "the mask is \(runs.width) x \(runs.height) pixels, its image \(size.width) x \(size.height)")
          }
        }
        fitting.parts.append((part, path, json))
      } catch let error as COCOError {
        fitting.lost.append(COCOError(jsonPath: path + error.jsonPath, problem: error.problem))
        fitting.isPlain = false
      }
    }
    return try fitting.withParts()
  }

  /// - Throws: `COCOError` if no part is left: what is wrong with the first, or that there is none.
  private func withParts() throws -> Outline {
    if parts.isEmpty { throw lost.first ?? COCOError(jsonPath: place, problem: "there is no polygon in the list") }
    return self
  }

  /// The union of the parts.
  func mask(_ size: ImageSize) throws -> BinaryMask {
    try BinaryMask.checkSize(height: size.height, width: size.width)
    var canvas = MaskCanvas(height: size.height, width: size.width)
    for (part, _, _) in parts {
      switch part {
      case .polygon(let outline): PolygonRasterizer.paint(outline, on: &canvas)
      case .runs(let runs): runs.paint(on: &canvas)
      }
    }
    return canvas.mask
  }

  private init(_ place: String) { self.place = place }

  /// - Throws: `COCOError` with the place in the file, where no part can be used.
  init(_ reader: inout JSONReader) throws {
    place = reader.path
    guard reader.peek() == .array else {
      let start = reader.position
      let (runs, isPlain) = try Self.runs(&reader)
      parts = [(.runs(runs), place, start..<reader.lastEnd)]
      self.isPlain = isPlain
      return
    }
    var hasPolygons = false
    var hasRuns = false
    try reader.readArray { reader in
      let path = reader.path
      let isRuns = reader.peek() == .object
      let start = reader.position
      switch try reader.attempt(Self.part) {
      case .success(let part):
        parts.append((part, path, start..<reader.lastEnd))
        hasRuns = hasRuns || isRuns
        hasPolygons = hasPolygons || !isRuns
      case .failure(let error): lost.append(error)
      }
    }
    isPlain = lost.isEmpty && !hasRuns
    hasOnlyPolygons = !hasRuns && hasPolygons
    _ = try withParts()
  }

  private static func part(_ reader: inout JSONReader) throws -> Part {
    if reader.peek() == .object { return .runs(try runs(&reader).0) }
    let coordinates = try reader.readReals()
    do {
      return .polygon(try PolygonRasterizer.fineOutline(coordinates))
    } catch let error as COCOError {
      throw COCOError(jsonPath: reader.path + error.jsonPath, problem: error.problem)
    }
  }

  /// - Returns: the runs, and whether none is left out in the file.
  private static func runs(_ reader: inout JSONReader) throws -> (RunLengthEncoding, isWhole: Bool) {
    var size: [Int]?
    var counts: [Int]?
    var compressed: String?
    try reader.readObject { reader, key in
      switch key {
      case "size":
        guard size == nil else { throw reader.fault("the key occurs twice") }
        var sides: [Int] = []
        try reader.readArray { sides.append(try $0.readCount()) }
        guard sides.count == 2 else {
          throw reader.fault("\(sides.count) numbers, where the height and the width are expected")
        }
        size = sides
      case "counts":
        guard counts == nil, compressed == nil else { throw reader.fault("the key occurs twice") }
        guard reader.peek() == .array else {
          compressed = try reader.readString()
          return
        }
        var list: [Int] = []
        try reader.readArray { list.append(try $0.readCount()) }
        counts = list
      default: try reader.skipValue()
      }
    }
    let sides = try reader.required(size, "size")
    do {
      if let counts {
        let runs = try RunLengthEncoding(height: sides[0], width: sides[1], counts: counts)
        return (runs, counts.count == runs.counts.count)
      }
      if let compressed {
        let runs = try RunLengthEncoding(height: sides[0], width: sides[1], compressed: compressed)
        return (runs, compressed.utf8.count == runs.compressed.utf8.count)
      }
    } catch let error as COCOError {
      throw reader.fault(error.problem)
    }
    throw reader.fault("the key \"counts\" is missing")
  }
}

extension KeyObjectDataset {
  /// The annotation's mask over its image.
  ///
  /// The same pixels as pycocotools makes of it, whether the file has polygons, counts or compressed counts. A part
  /// of the outline that can't be drawn is left out (`outlineProblems(of:)`).
  ///
  /// - Throws: `COCOError` with the file and the place in it, where the outline is missing, no part of it can be
  ///   drawn, or its size is not the image's; where the file doesn't say the image's size.
  public func mask(for annotation: Annotation) throws -> BinaryMask {
    guard let record = image(annotation.imageID), let size = record.size else {
      throw COCOError(
        file: name, problem: "does not state the width and height of image \(annotation.imageID), which its mask needs")
    }
    return try mask(for: annotation, height: size.height, width: size.width)
  }

  /// The annotation's mask over an image of this size, where the picture itself is the authority on it.
  ///
  /// - Throws: as `mask(for:)`.
  public func mask(for annotation: Annotation, height: Int, width: Int) throws -> BinaryMask {
    let size = ImageSize(width: width, height: height)
    return try COCOError.inFile(name) { try outline(of: annotation).fitting(size).mask(size) }
  }

  /// Sees whether a mask can be made of the annotation's outline, without making it.
  ///
  /// - Returns: the parts of it that are left out, and whether pycocotools reads the outline in the same way.
  /// - Throws: as `mask(for:)`; not where the file doesn't say the image's size.
  @discardableResult
  public func checkOutline(of annotation: Annotation) throws -> (lost: [RecordProblem], isPlain: Bool) {
    try COCOError.inFile(name) {
      let outline = try outline(of: annotation).fitting(image(annotation.imageID)?.size)
      let lost = outline.lost.map {
        RecordProblem(.annotation, at: annotation.position, id: annotation.id, $0, cost: .part)
      }
      return (lost, outline.isPlain)
    }
  }

  /// The annotation's outline as pycocotools reads it: unchanged, or the parts of it that can be drawn.
  ///
  /// - Throws: `COCOError` if that is nothing.
  func writtenOutline(of annotation: Annotation) throws -> [UInt8] {
    let stated = image(annotation.imageID)?.size
    let outline = try outline(of: annotation).fitting(stated)
    if outline.isPlain, let range = annotation.segmentation { return Array(bytes[range]) }
    if outline.hasOnlyPolygons {
      return Array("[".utf8) + outline.parts.map { bytes[$0.json] }.joined(separator: ", ".utf8) + Array("]".utf8)
    }
    var size = stated
    for case .runs(let runs) in outline.parts.map(\.part) where size == nil {
      size = ImageSize(width: runs.width, height: runs.height)
    }
    guard let size else { throw COCOError(problem: "annotation \(annotation.id) has no run lengths") }
    let runs = RunLengthEncoding(try outline.fitting(size).mask(size))
    let counts = runs.counts.map(String.init).joined(separator: ", ")
    return Array(#"{"size": [\#(size.height), \#(size.width)], "counts": [\#(counts)]}"#.utf8)
  }

  /// What is wrong with the outlines of annotations: parts that are left out, and outlines of which no part is left,
  /// which cost the whole sample.
  public func outlineProblems(of annotations: some Sequence<Annotation>) -> RecordProblems {
    var problems = RecordProblems()
    for annotation in annotations {
      func add(_ error: COCOError, _ cost: RecordProblem.Cost) {
        problems.add(RecordProblem(.annotation, at: annotation.position, id: annotation.id, error, cost: cost))
      }
      do {
        let outline = try outline(of: annotation).fitting(image(annotation.imageID)?.size)
        for error in outline.lost { add(error, .part) }
      } catch let error as COCOError {
        add(error, .record)
      } catch {}  // there is no other kind
    }
    return problems
  }

  /// All that keeps annotations from being samples with an object, as far as the file shows: records that are left
  /// out, outlines and parts of them that can't be drawn, and descriptions that aren't there.
  public func sampleProblems(of annotations: [Annotation]) -> RecordProblems {
    var all = outlineProblems(of: annotations)
    for problem in problems.listed where problem.cost == .record { all.add(problem) }
    for annotation in annotations where (annotation.description ?? "").allSatisfy(\.isWhitespace) {
      let error =
        fault(of: annotation, .description)
        ?? COCOError(jsonPath: "annotations[\(annotation.position)]", problem: "there is no description")
      all.add(RecordProblem(.annotation, at: annotation.position, id: annotation.id, error, cost: .record))
    }
    all.sort()
    return all
  }

  /// - Throws: `COCOError` with the place in the file.
  private func outline(of annotation: Annotation) throws -> Outline {
    let place = "annotations[\(annotation.position)].segmentation"
    guard let range = annotation.segmentation else {
      throw fault(of: annotation, .segmentation)
        ?? COCOError(jsonPath: place, problem: "annotation \(annotation.id) has no segmentation")
    }
    guard range.upperBound <= bytes.count else {
      throw COCOError(jsonPath: place, problem: "the annotation is of another file")
    }
    return try JSONReader.readFile(bytes, in: range, root: place) { try Outline(&$0) }
  }
}
