import COCO
import Foundation
import HeadImpact
import IO
import ImageInput
import Kernels
import RunSupport
import VisionLanguage

/// Scores one unit: this is where an image, its masks and its descriptions meet the model's attention.
struct UnitScorer {
  let model: any VisionLanguageModel
  let reader: AttentionScoreReader
  let configuration: ScoreConfiguration

  init(model: any VisionLanguageModel, configuration: ScoreConfiguration) {
    self.model = model
    reader = AttentionScoreReader(model)
    self.configuration = configuration
  }

  /// A sample that is ready to be scored.
  private struct Sample {
    let annotation: Annotation
    /// Without white space around it.
    let description: String
    let mask: TokenMask
    let sequence: TokenSequence
  }

  /// A unit's picture, and what can be scored on it.
  private struct Prepared {
    let picture: PreparedImage
    let layout: VisualLayout
    let isTurned: Bool
    fileprivate(set) var samples: [Sample] = []
    /// The samples that can't.
    fileprivate(set) var outcomes: [Int64: SampleOutcome.Kind] = [:]
  }

  /// The samples that can't be scored, as far as can be found without the model.
  ///
  /// - Throws: errors of the environment.
  func faults(of unit: ScoringUnit, pictures: Pictures) throws -> [SkippedSample] {
    switch try prepare(unit, pictures) {
    case .failure(let skip): unit.annotations.map { SkippedSample(id: $0.id, reason: skip.reason) }
    case .success(let prepared):
      unit.annotations.compactMap { annotation in
        guard case .skipped(let reason)? = prepared.outcomes[annotation.id] else { return nil }
        return SkippedSample(id: annotation.id, reason: reason)
      }
    }
  }

  /// - Parameter poll: called after each layer.
  /// - Returns: also whether the picture's EXIF orientation turned it.
  /// - Throws: errors of the environment, a failed library call.
  func score(
    _ unit: ScoringUnit, pictures: Pictures, poll: @escaping () throws -> Void
  ) throws -> (result: UnitResult, isTurned: Bool) {
    switch try prepare(unit, pictures) {
    case .failure(let skip): (result(of: unit, nil, [:], otherwise: skip.reason), false)
    case .success(let prepared): (try score(unit, prepared, poll: poll), prepared.isTurned)
    }
  }

  private func prepare(_ unit: ScoringUnit, _ pictures: Pictures) throws -> Result<Prepared, Skip> {
    let turned = TurnedPictures()
    var prepared: Prepared
    do {
      let picture = try pictures.image(
        unit.image.fileName, size: unit.image.size.map { ($0.width, $0.height) }, turned: turned)
      let image = picture.image
      let layout = try model.visualLayout(width: image.width, height: image.height)
        .selecting(configuration.options.views)
      prepared = Prepared(picture: picture, layout: layout, isTurned: turned.count > 0)
    } catch let fault as any ContentFault {
      return .failure(Skip(reason: SkipReason(.picture, fault)))
    }
    for annotation in unit.annotations {
      switch try prepare(annotation, of: unit.objects, prepared.picture.image, layout: prepared.layout) {
      case .success(let sample): prepared.samples.append(sample)
      case .failure(let skip): prepared.outcomes[annotation.id] = .skipped(skip.reason)
      }
    }
    return .success(prepared)
  }

  private func score(
    _ unit: ScoringUnit, _ prepared: Prepared, poll: @escaping () throws -> Void
  ) throws -> UnitResult {
    let (layout, samples) = (prepared.layout, prepared.samples)
    let picture = ScoredPicture(
      fileName: unit.image.fileName, width: prepared.picture.image.width, height: prepared.picture.image.height,
      views: layout.imageViews)
    var outcomes = prepared.outcomes
    let layers = model.decoder.layers.count
    let heads = model.numAttentionHeads
    do {
      try reader.read(
        image: prepared.picture, sequences: samples.map(\.sequence), query: configuration.options.query,
        normalize: configuration.options.normalize, afterLayer: poll
      ) { index, scores in
        let sample = samples[index]
        let impacts: HeadImpacts
        do {
          impacts = try headImpacts(
            scores: scores, heads: layers * heads, mask: sample.mask, views: layout.grids,
            sinkFactor: configuration.options.sinkFactor)
        } catch let fault as any ContentFault {
          outcomes[sample.annotation.id] = .skipped(SkipReason(.notFinite, fault))
          return
        } catch {
          throw JobError("annotation \(sample.annotation.id), image \(unit.image.fileName): \(error)")
        }
        let impact = try SampleImpact(
          annotationID: Int(sample.annotation.id), imageID: Int(unit.image.id),
          categoryID: Int(sample.annotation.categoryID ?? -1),
          tokens: SampleImpact.TokenCounts(
            sequence: sample.sequence.ids.count, visual: sample.sequence.visual.count,
            caption: sample.sequence.caption.count, mask: sample.mask.count),
          layers: layers, heads: heads, impacts: impacts)
        outcomes[sample.annotation.id] = .scored(
          ScoredSample(
            impact: impact, description: sample.description, mask: sample.mask.isObject,
            scores: configuration.savesScores ? scores.withUnsafeBufferPointer(Array.init) : []))
        try poll()
      }
    } catch let fault as any ContentFault {
      // The model can't take the picture after all.
      return result(of: unit, picture, outcomes, otherwise: SkipReason(.picture, fault))
    }
    return result(of: unit, picture, outcomes, otherwise: SkipReason(.record, "was not scored"))
  }

  private func result(
    of unit: ScoringUnit, _ picture: ScoredPicture?, _ outcomes: [Int64: SampleOutcome.Kind],
    otherwise reason: SkipReason
  ) -> UnitResult {
    UnitResult(
      imageID: Int(unit.image.id), picture: picture,
      outcomes: unit.annotations.map {
        SampleOutcome(annotationID: Int($0.id), kind: outcomes[$0.id] ?? .skipped(reason))
      })
  }

  private struct Skip: Error { let reason: SkipReason }

  /// - Throws: what is not the sample's own fault.
  private func prepare(
    _ annotation: Annotation, of objects: ImageObjects, _ image: RGBImage, layout: VisualLayout
  ) throws -> Result<Sample, Skip> {
    let description = (annotation.description ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !description.isEmpty else {
      let fault = objects.fault(of: annotation, .description) ?? COCOError(problem: "it has no description")
      return .failure(Skip(reason: SkipReason(.text, fault)))
    }
    let mask: TokenMask
    do {
      mask = try TokenMask(
        of: objects.mask(for: annotation, height: image.height, width: image.width), cells: layout.visualCells,
        threshold: configuration.options.coverage)
    } catch let fault as any ContentFault { return .failure(Skip(reason: SkipReason(.mask, fault))) }
    do {
      let sequence = try model.sequence(
        prompt: configuration.prompt, description: description, layout: layout)
      guard !sequence.caption.isEmpty else { throw SampleFault("its description has no tokens") }
      return .success(Sample(annotation: annotation, description: description, mask: mask, sequence: sequence))
    } catch let fault as any ContentFault { return .failure(Skip(reason: SkipReason(.text, fault))) }
  }
}
