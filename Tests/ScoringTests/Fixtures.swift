import Foundation
import HDF5Store
import HeadImpact
import RunSupport
import VisionLanguage

@testable import Scoring

/// A result of one image: some samples that were scored, one that was skipped.
func unitResult(image: Int, samples: Int = 2) throws -> UnitResult {
  let scored = try (0..<samples).map { index in
    let impact = try SampleImpact(
      annotationID: 10 * image + index, imageID: image, categoryID: -1,
      tokens: SampleImpact.TokenCounts(sequence: 40, visual: 9, caption: 4, mask: 3), layers: 1, heads: 2,
      hi: [Double](repeating: 0.25, count: 12), chance: [Double](repeating: 0.5, count: 12),
      nosink: [Double](repeating: 1, count: 12), sinkShare: [0, 0.125])
    return SampleOutcome(
      annotationID: impact.annotationID,
      kind: .scored(
        ScoredSample(
          impact: impact, description: "ein größerer Hund 🐕", mask: (0..<9).map { $0 % 3 == 1 },
          scores: index == 0 ? [] : [0.5, 1.5, -0.0] + [Float](repeating: 0.25, count: 15))))
  }
  let skipped = SampleOutcome(annotationID: 10 * image + 9, kind: .skipped(SkipReason(.mask, "größe: 0 ☕")))
  return UnitResult(
    imageID: image,
    picture: ScoredPicture(
      fileName: "straße/\(image).jpg", width: 60, height: 20,
      views: [
        ImageView(kind: .tile, grid: ViewGrid(rows: 2, cols: 3), box: Cell(x0: 0, y0: 0.25, x1: 30, y1: 20)),
        ImageView(kind: .wholeImage, grid: ViewGrid(rows: 1, cols: 3), box: Cell(x0: 0, y0: 0, x1: 60, y1: 20)),
      ]), outcomes: scored + [skipped])
}

func scoreIdentity(_ change: (inout ScoreIdentity) -> Void = { _ in }) -> ScoreIdentity {
  let nowhere = URL(fileURLWithPath: "/nowhere")
  var identity = ScoreIdentity(
    programVersion: "1", modelType: "qwen2_vl", modelSHA256: "aa", weightsSampleSHA256: "ee", adapterSHA256: nil,
    modelFiles: ModelFiles(chatTemplateSHA256: "cc", digests: [("config.json", "dd"), ("merges.txt", "none")]),
    datasetSHA256: "bb",
    configuration: ScoreConfiguration(model: nowhere, dataset: nowhere, images: nowhere, output: nowhere))
  change(&identity)
  return identity
}
