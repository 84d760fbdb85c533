import COCO
import Foundation
import HeadImpact
import ImageInput
import Jobs
import Kernels
import VisionLanguage

/// Scores one unit: this is where an image, its masks and its descriptions meet the model's attention.
struct UnitScorer {
  let model: any VisionLanguageModel
  let reader: AttentionScoreReader
  let dataset: KeyObjectDataset
  let configuration: ScoreConfiguration

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
  /// - Throws: what is no sample's own fault: a model that gives no finite attention, a failed library call.
  func score(_ unit: SurveyUnit, poll: @escaping () throws -> Void) throws -> UnitResult {
    var outcomes: [Int64: SampleOutcome.Kind] = [:]
    var samples: [Sample] = []
    let image: RGBImage
    let layout: VisualLayout
    do {
      image = try JobInputs.image(
        unit.image.fileName, in: configuration.images, size: unit.image.size.map { ($0.width, $0.height) })
      layout = try model.visualLayout(width: image.width, height: image.height)
    } catch {
      return result(of: unit, [:], otherwise: "\(error)")
    }
    for annotation in unit.annotations {
      do {
        samples.append(try prepare(annotation, of: image, layout: layout))
      } catch {
        outcomes[annotation.id] = .skipped(reason: "\(error)")
      }
    }

    let layers = model.decoder.layers.count
    let heads = model.numAttentionHeads
    try reader.read(
      image: image, sequences: samples.map(\.sequence), query: configuration.options.query,
      normalize: configuration.options.normalize, afterLayer: poll
    ) { index, scores in
      let sample = samples[index]
      let impacts: HeadImpacts
      do {
        impacts = try headImpacts(
          scores: scores, heads: layers * heads, mask: sample.mask, views: layout.views,
          sinkFactor: configuration.options.sinkFactor)
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
      outcomes[sample.annotation.id] = .scored(impact, scores: configuration.savesScores ? Array(scores) : [])
      try poll()
    }
    return result(of: unit, outcomes, otherwise: "was not scored")
  }

  private func result(
    of unit: SurveyUnit, _ outcomes: [Int64: SampleOutcome.Kind], otherwise reason: String
  ) -> UnitResult {
    UnitResult(
      imageID: Int(unit.image.id),
      outcomes: unit.annotations.map {
        SampleOutcome(annotationID: Int($0.id), kind: outcomes[$0.id] ?? .skipped(reason: reason))
      })
  }

  private func prepare(_ annotation: Annotation, of image: RGBImage, layout: VisualLayout) throws -> Sample {
    let description = (annotation.description ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !description.isEmpty else {
      throw dataset.fault(of: annotation, .description) ?? COCOError(problem: "it has no description")
    }
    let mask = try TokenMask(
      of: dataset.mask(for: annotation, height: image.height, width: image.width), cells: layout.cells,
      threshold: configuration.options.coverage)
    let sequence = try model.sequence(
      prompt: configuration.prompt, description: description, visualTokens: layout.visualTokens)
    guard !sequence.caption.isEmpty else { throw JobError("its description has no token") }
    return Sample(annotation: annotation, mask: mask, sequence: sequence)
  }
}
