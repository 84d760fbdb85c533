import COCO
import Foundation
import HeadImpact
import IO
import ImageInput
import RunSupport
import VisionLanguage

/// Looks at pictures and outlines of objects, and keeps what is wrong with them.
struct ObjectExaminer: KeyObjectSelection.Examiner {
  let instances: KeyObjectDataset
  let images: URL
  /// The names of pictures that are not in `images`.
  let missing: Set<String>
  /// Says which visual tokens an object covers; nil if nobody asks.
  let model: (any VisionLanguageModel)?
  let minTokens: Int

  /// A line for each object that can't be used, and each image of which none can.
  private(set) var faults: [String] = []
  /// The parts of outlines of usable objects that can't be drawn.
  private(set) var lostParts = RecordProblems()
  /// The usable objects whose outlines must be written differently than in the file.
  private(set) var oddOutlines: Set<Int64> = []
  private var cells: [ImageSize: [Cell]] = [:]

  init(
    instances: KeyObjectDataset, images: URL, missing: Set<String>, model: (any VisionLanguageModel)?, minTokens: Int
  ) {
    self.instances = instances
    self.images = images
    self.missing = missing
    self.model = model
    self.minTokens = minTokens
  }

  func fault(of annotation: Annotation) -> COCOError? {
    instances.fault(of: annotation, .isCrowd) ?? instances.fault(of: annotation, .categoryID)
  }

  mutating func size(of image: ImageRecord) throws -> ImageSize? {
    try noting("image \(image.id)") { examiner in
      let size = try imageSize(contentsOf: examiner.url(of: image))
      return ImageSize(width: size.width, height: size.height)
    }
  }

  mutating func measures(of annotation: Annotation, _ size: ImageSize) throws -> KeyObjectSelection.Measures? {
    try noting("annotation \(annotation.id)") { examiner in
      let mask = try examiner.instances.mask(for: annotation, height: size.height, width: size.width)
      let runs = RunLengthEncoding(mask)
      let box = runs.boundingBox
      return KeyObjectSelection.Measures(
        area: Double(runs.area),
        box: BoundingBox(
          x: Double(box.x), y: Double(box.y), width: Double(box.width), height: Double(box.height)))
    }
  }

  func overlap(of one: Annotation, with other: Annotation, _ size: ImageSize) throws -> Double? {
    do {
      let masks = try [one, other].map { try instances.mask(for: $0, height: size.height, width: size.width) }
      var (both, either) = (0, 0)
      for (one, other) in zip(masks[0].pixels, masks[1].pixels) {
        both += Int(one & other)
        either += Int(one | other)
      }
      return either == 0 ? nil : Double(both) / Double(either)
    } catch is any ContentFault {
      return nil  // it is named where the object is used
    }
  }

  mutating func usability(
    of annotation: Annotation, in image: ImageRecord, _ size: ImageSize
  ) throws -> KeyObjectSelection.Usability {
    try noting("annotation \(annotation.id)") { examiner in
      _ = try examiner.url(of: image)
      let outline = try examiner.instances.checkOutline(of: annotation)
      func usable() -> KeyObjectSelection.Usability {
        for problem in outline.lost { examiner.lostParts.add(problem) }
        if !outline.isPlain { examiner.oddOutlines.insert(annotation.id) }
        return .usable
      }
      guard let model = examiner.model else { return usable() }
      let visible = try examiner.cells[size] ?? model.visualLayout(width: size.width, height: size.height).visualCells
      examiner.cells[size] = visible
      let mask = try examiner.instances.mask(for: annotation, height: size.height, width: size.width)
      return try TokenMask(of: mask, cells: visible).count < examiner.minTokens ? .tooFewTokens : usable()
    } ?? .unusable
  }

  mutating func note(_ annotation: Annotation, _ fault: COCOError) {
    faults.append("annotation \(annotation.id): \(fault)")
  }

  /// - Throws: if the name leaves the folder, or there is no such file.
  private func url(of image: ImageRecord) throws -> URL {
    let url = try JobInputs.imageURL(image.fileName, in: images)
    if missing.contains(image.fileName) { throw MissingFile(path: url.path) }
    return url
  }

  /// - Throws: errors of the environment; an error in the content only costs the object.
  private mutating func noting<R>(_ subject: String, _ body: (inout Self) throws -> R) throws -> R? {
    do {
      return try body(&self)
    } catch let error as any ContentFault {
      faults.append("\(subject): \(error)")
      return nil
    }
  }
}
