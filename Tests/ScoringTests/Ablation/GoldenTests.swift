import COCO
import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import Scoring
@testable import VisionLanguage

/// What transformers gives where the heads' part is replaced before `o_proj`, or their attention on visual tokens knocked
/// out (tools/goldens/ablation).
struct GoldenCase: Decodable, Sendable, CustomStringConvertible {
  struct Sample: Decodable {
    let id: Int64
    let tokens: Int
    let losses: [Double]
  }

  let `case`: String
  let kind: AblationKind
  /// Lists of [layer, head].
  let ablations: [[[Int]]]
  let samples: [Sample]

  var description: String { "\(`case`), \(kind)" }
  var tiny: TinyCase { TinyCase.all.first { $0.name == `case` } ?? .nested }

  private func ablatedHeads(_ replacement: AblatedHeads.Replacement) -> [AblatedHeads] {
    ablations.map { AblatedHeads($0.map { (layer: $0[0], head: $0[1]) }, replacement: replacement) }
  }

  private func replacement(
    _ reader: DescriptionLossReader, _ images: [(image: RGBImage, sequences: [TokenSequence])], width: Int
  ) throws -> AblatedHeads.Replacement {
    switch kind {
    case .zero: return .zero
    case .knockout: return .knockout
    case .mean:
      let layers = Set(ablations.joined().map { $0[0] })
      var sums = MeanSums(layers: layers.sorted(), width: width)
      for (image, sequences) in images {
        sums.add(try reader.headOutputs(image: image, sequences: sequences, layers: layers))
      }
      return .mean(try sums.means())
    }
  }

  static func all() throws -> [GoldenCase] {
    let file = Goldens.root().appendingPathComponent("losses.json")
    return try JSONDecoder().decode([GoldenCase].self, from: Data(contentsOf: file))
  }

  func model() throws -> any VisionLanguageModel {
    try ModelRegistry.load(
      folder: tiny.model, input: InputOptions(resizing: .pillow),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
  }

  /// The summed losses of every annotation, an image's together: of the model as it is, then of each ablation.
  func losses(_ model: any VisionLanguageModel, descriptionRows: Int = 512) throws -> [Int64: [Double]] {
    let dataset = try KeyObjectDataset(contentsOf: tiny.dataset)
    let reader = DescriptionLossReader(model, descriptionRows: descriptionRows)
    var found: [Int64: [Double]] = [:]
    var units: [(annotations: [Annotation], image: RGBImage, sequences: [TokenSequence])] = []
    for (imageID, annotations) in Dictionary(grouping: dataset.annotationsByID(), by: \.imageID) {
      let record = try #require(dataset.image(imageID))
      let image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(record.fileName))
      let layout = try model.visualLayout(width: image.width, height: image.height)
      let sequences = try annotations.map {
        try model.sequence(
          prompt: "Describe the main object in the image.",
          description: ($0.description ?? "").trimmingCharacters(in: .whitespacesAndNewlines),
          layout: layout)
      }
      units.append((annotations, image, sequences))
    }
    let heads = ablatedHeads(
      try replacement(
        reader, units.map { ($0.image, $0.sequences) }, width: model.decoder.layers[0].attention.shape.queryWidth))
    for (annotations, image, sequences) in units {
      let losses = try reader.read(image: image, sequences: sequences, ablations: heads)
      for (index, annotation) in annotations.enumerated() { found[annotation.id] = losses.map { $0[index] } }
    }
    return found
  }
}

@Suite("Agreement with transformers")
struct GoldenTests {
  @Test("each description's loss, without each choice of heads, to 1e-5", arguments: try GoldenCase.all())
  func losses(_ golden: GoldenCase) throws {
    let found = try golden.losses(golden.model())
    #expect(found.count == golden.samples.count)
    for sample in golden.samples {
      let losses = found[sample.id] ?? []
      try #require(losses.count == sample.losses.count)
      for (loss, expected) in zip(losses, sample.losses) {
        #expect(abs(loss - expected) <= 1e-5 * expected, "\(sample.id): \(loss), transformers has \(expected)")
      }
    }
  }

  @Test("descriptions in several passes have the same losses, and the model is as before", arguments: [1, 15])
  func groups(_ descriptionRows: Int) throws {
    let golden = try GoldenCase.all()[0]
    let model = try golden.model()
    let together = try golden.losses(model)
    let apart = try golden.losses(model, descriptionRows: descriptionRows)
    for (id, losses) in together {
      let closeness = Closeness(apart[id] ?? [], losses)
      #expect(closeness.relativeL2 < 1e-6, "\(id): \(closeness)")
    }
    #expect(model.decoder.ablatedHeads == .none)
  }
}
