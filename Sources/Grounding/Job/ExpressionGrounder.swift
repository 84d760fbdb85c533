import COCO
import Foundation
import HeadImpact
import IO
import ImageInput
import RunSupport
import VisionLanguage

/// Grounds one unit: this is where an image and its expressions meet the chosen heads' attention.
struct ExpressionGrounder {
  let model: any VisionLanguageModel
  private let reader: AttentionScoreReader
  private let configuration: GroundConfiguration
  private let locator: HeadLocator

  init(_ model: any VisionLanguageModel, _ configuration: GroundConfiguration) {
    self.model = model
    self.configuration = configuration
    reader = AttentionScoreReader(model)
    locator = HeadLocator(configuration.heads, headsPerLayer: model.numAttentionHeads, configuration.locating)
  }

  /// An expression that is ready to be grounded.
  private struct Sample {
    let example: GroundingExample
    let annotation: Annotation
    let target: BoundingBox
    /// nil if the dataset has no outline of the object.
    let mask: BinaryMask?
    let sequence: TokenSequence
  }

  /// A unit's picture, and what can be grounded in it.
  private struct Prepared {
    var picture: PreparedImage?
    var layout: VisualLayout?
    var samples: [Sample] = []
    var outcomes: [Int64: GroundingResult.Outcome] = [:]

    mutating func skip(_ id: Int64, _ reason: SkipReason) {
      outcomes[id] = GroundingResult.Outcome(id: id, skip: reason)
    }
  }

  /// The expressions that can't be grounded, as far as can be found without the model.
  ///
  /// - Throws: errors of the environment.
  func faults(of unit: GroundingUnit, _ pictures: Pictures) throws -> [SkippedSample] {
    let outcomes = try prepare(unit, pictures).outcomes
    return unit.examples.compactMap { example in
      outcomes[example.id]?.skip.map { SkippedSample(id: example.id, reason: $0) }
    }
  }

  /// - Parameter poll: called after each layer.
  /// - Throws: errors of the environment, a failed library call, what `poll` throws.
  func ground(
    _ unit: GroundingUnit, _ pictures: Pictures, poll: @escaping () throws -> Void
  ) throws -> GroundingResult {
    var prepared = try prepare(unit, pictures)
    if let picture = prepared.picture, let layout = prepared.layout {
      let samples = prepared.samples
      do {
        try reader.read(
          image: picture, sequences: samples.map(\.sequence), query: configuration.query,
          normalize: configuration.normalize, afterLayer: poll
        ) { index, scores in
          let id = samples[index].example.id
          do {
            let found = try locate(samples[index], scores, picture.image, layout, fileName: unit.image.fileName)
            prepared.outcomes[id] = GroundingResult.Outcome(id: id, found: found)
          } catch let fault as any ContentFault { prepared.skip(id, SkipReason(.notFinite, fault)) }
          try poll()
        }
      } catch let fault as any ContentFault {
        // The model can't take the picture after all.
        for sample in samples { prepared.skip(sample.example.id, SkipReason(.picture, fault)) }
      }
    }
    return GroundingResult(
      imageID: unit.image.id,
      outcomes: unit.examples.map { example in
        prepared.outcomes[example.id]
          ?? GroundingResult.Outcome(id: example.id, skip: SkipReason(.record, "was not grounded"))
      })
  }

  private func locate(
    _ sample: Sample, _ scores: Span<Float>, _ image: RGBImage, _ layout: VisualLayout, fileName: String
  ) throws -> GroundedExpression {
    let means = try locator.meanScores(scores, visualTokens: layout.visualTokens)
    let found = locator.locate(
      means, grids: layout.grids, cells: layout.visualCells, width: image.width, height: image.height)
    return GroundedExpression(
      sample.example, sample.annotation, fileName: fileName, found: found, target: sample.target, mask: sample.mask)
  }

  private func prepare(_ unit: GroundingUnit, _ pictures: Pictures) throws -> Prepared {
    var prepared = Prepared()
    do {
      let picture = try pictures.image(unit.image.fileName, size: unit.image.size.map { ($0.width, $0.height) })
      let image = picture.image
      let layout = try model.visualLayout(width: image.width, height: image.height).selecting(configuration.views)
      for example in unit.examples {
        do { prepared.samples.append(try sample(example, unit.objects, image, layout)) } catch let skip as Skip {
          prepared.skip(example.id, skip.reason)
        }
      }
      (prepared.picture, prepared.layout) = (picture, layout)
    } catch let fault as any ContentFault {
      for example in unit.examples { prepared.skip(example.id, SkipReason(.picture, fault)) }
    }
    return prepared
  }

  private struct Skip: Error { let reason: SkipReason }

  /// - Throws: `Skip`; what is not the sample's own fault.
  private func sample(
    _ example: GroundingExample, _ objects: ImageObjects, _ image: RGBImage, _ layout: VisualLayout
  ) throws -> Sample {
    guard let annotation = objects.annotations.first(where: { $0.id == example.annotationID }) else {
      throw Skip(reason: SkipReason(.record, "there is no annotation \(example.annotationID)"))
    }
    let (target, mask): (BoundingBox, BinaryMask?)
    do { (target, mask) = try object(example, annotation, objects, image) } catch let fault as any ContentFault {
      throw Skip(reason: SkipReason(.mask, fault))
    }
    do {
      let expression = example.expression.trimmingCharacters(in: .whitespacesAndNewlines)
      guard !expression.isEmpty else {
        throw objects.fault(of: annotation, .description) ?? COCOError(problem: "it has no expression")
      }
      let sequence = try model.sequence(prompt: configuration.prompt, description: expression, layout: layout)
      guard !sequence.caption.isEmpty else { throw SampleFault("its expression has no tokens") }
      return Sample(example: example, annotation: annotation, target: target, mask: mask, sequence: sequence)
    } catch let fault as any ContentFault { throw Skip(reason: SkipReason(.text, fault)) }
  }

  /// What is to be found: the file's box, or else the smallest round the mask.
  private func object(
    _ example: GroundingExample, _ annotation: Annotation, _ objects: ImageObjects, _ image: RGBImage
  ) throws -> (BoundingBox, BinaryMask?) {
    if let fault = objects.fault(of: annotation, .boundingBox) { throw fault }
    if let fault = objects.fault(of: annotation, .segmentation) { throw fault }
    let mask =
      annotation.hasOutline
      ? try objects.mask(for: annotation, height: image.height, width: image.width) : nil
    if let mask, mask.area == 0 { throw SampleFault("its mask is empty") }
    if let box = example.box {
      guard box.width > 0, box.height > 0 else {
        throw SampleFault("its bbox has no area: [\(box.x), \(box.y), \(box.width), \(box.height)]")
      }
      // One that isn't what it seems, as corners for width and height, would count as missed. Boxes may be rounded up.
      guard box.x >= -1, box.y >= -1, box.x + box.width <= Double(image.width) + 1,
        box.y + box.height <= Double(image.height) + 1
      else {
        throw SampleFault(
          "its bbox, x \(box.x), y \(box.y), width \(box.width) and height \(box.height), leaves the picture of "
            + "\(image.width) x \(image.height) pixels")
      }
      return (box, mask)
    }
    guard let box = mask?.boundingBox else { throw SampleFault("it has neither a bbox nor a segmentation") }
    return (box, mask)
  }
}
