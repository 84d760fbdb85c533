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
  let dataset: KeyObjectDataset
  let configuration: ScoreConfiguration
  /// Counts the pictures that were turned.
  let turned = TurnedPictures()

  init(model: any VisionLanguageModel, dataset: KeyObjectDataset, configuration: ScoreConfiguration) {
    self.model = model
    reader = AttentionScoreReader(model)
    self.dataset = dataset
    self.configuration = configuration
  }

  /// A sample that is ready to be scored.
  private struct Sample {
    let annotation: Annotation
    let mask: TokenMask
    let sequence: TokenSequence
  }

  /// - Parameter poll: called after each layer.
  /// - Throws: errors of the environment, a failed library call.
  func score(_ unit: ScoringUnit, pictures: Pictures, poll: @escaping () throws -> Void) throws -> UnitResult {
    var outcomes: [Int64: SampleOutcome.Kind] = [:]
    var samples: [Sample] = []
    let image: RGBImage
    let layout: VisualLayout
    do {
      image = try pictures.reading(unit.image.fileName) {
        try JobInputs.image(
          unit.image.fileName, in: pictures.folder, size: unit.image.size.map { ($0.width, $0.height) },
          turned: turned)
      }
      layout = try model.visualLayout(width: image.width, height: image.height)
        .selecting(configuration.options.views)
    } catch let fault as any ContentFault {
      return result(of: unit, [], [:], otherwise: SkipReason(.picture, fault))
    }
    for annotation in unit.annotations {
      switch try prepare(annotation, of: image, layout: layout) {
      case .success(let sample): samples.append(sample)
      case .failure(let skip): outcomes[annotation.id] = .skipped(skip.reason)
      }
    }

    let layers = model.decoder.layers.count
    let heads = model.numAttentionHeads
    do {
      try reader.read(
        image: image, sequences: samples.map(\.sequence), query: configuration.options.query,
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
          impact, scores: configuration.savesScores ? scores.withUnsafeBufferPointer(Array.init) : [])
        try poll()
      }
    } catch let fault as any ContentFault {
      // The model can't take the picture after all.
      return result(of: unit, layout.imageViews, outcomes, otherwise: SkipReason(.picture, fault))
    }
    return result(of: unit, layout.imageViews, outcomes, otherwise: SkipReason(.record, "was not scored"))
  }

  private func result(
    of unit: ScoringUnit, _ views: [ImageView], _ outcomes: [Int64: SampleOutcome.Kind], otherwise reason: SkipReason
  ) -> UnitResult {
    UnitResult(
      imageID: Int(unit.image.id), views: views,
      outcomes: unit.annotations.map {
        SampleOutcome(annotationID: Int($0.id), kind: outcomes[$0.id] ?? .skipped(reason))
      })
  }

  private struct Skip: Error { let reason: SkipReason }

  /// - Throws: what is not the sample's own fault.
  private func prepare(
    _ annotation: Annotation, of image: RGBImage, layout: VisualLayout
  ) throws -> Result<Sample, Skip> {
    let description = (annotation.description ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !description.isEmpty else {
      let fault = dataset.fault(of: annotation, .description) ?? COCOError(problem: "it has no description")
      return .failure(Skip(reason: SkipReason(.text, fault)))
    }
    let mask: TokenMask
    do {
      mask = try TokenMask(
        of: dataset.mask(for: annotation, height: image.height, width: image.width), cells: layout.visualCells,
        threshold: configuration.options.coverage)
    } catch let fault as any ContentFault { return .failure(Skip(reason: SkipReason(.mask, fault))) }
    do {
      let sequence = try model.sequence(
        prompt: configuration.prompt, description: description, layout: layout)
      guard !sequence.caption.isEmpty else { throw SampleFault("its description has no tokens") }
      return .success(Sample(annotation: annotation, mask: mask, sequence: sequence))
    } catch let fault as any ContentFault { return .failure(Skip(reason: SkipReason(.text, fault))) }
  }
}
