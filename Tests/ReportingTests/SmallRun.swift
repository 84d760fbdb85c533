import Foundation
import HDF5Store
import HeadImpact
import IO
import ImageInput
import TestSupport
import Testing

/// A finished scoring run of 2 layers of 3 heads over 5 samples of 4 pictures, with its dataset and pictures.
///
/// Every picture has 2 x 4 visual tokens and an object over one of the four columns. Head 1.2 looks at the object in all
/// samples but the last, head 0.0 never; the others look everywhere, more or less.
struct SmallRun {
  let file: URL
  let dataset: URL
  let images: URL

  static let samples = [
    (id: 10, image: 1), (id: 11, image: 1), (id: 20, image: 2), (id: 30, image: 3), (id: 40, image: 4),
  ]
  static let columns = [0, 3, 1, 2, 3]
  static let size = (width: 80, height: 40)
  private static let grid = ViewGrid(rows: 2, cols: 4)

  /// The whole picture as one view.
  static let whole = [
    ImageView(kind: .wholeImage, grid: grid, box: Cell(x0: 0, y0: 0, x1: Double(size.width), y1: Double(size.height)))
  ]

  /// - Parameter views: of every picture, of 8 tokens together.
  init(
    in scratch: ScratchFolder, savesScores: Bool = true, views: [ImageView] = whole,
    skipped: [(id: Int, reason: String)] = []
  ) throws {
    file = scratch.file("hi.h5")
    dataset = scratch.file("keyobjects.json")
    images = scratch.file("images")
    try Self.writeDataset(to: dataset, images: images)
    let digest = try SHA256.hex(ofFile: dataset)
    var sums = HeadImpactAccumulator(layers: 2, heads: 3)
    var rows: [Int: HeadImpactFile.Row] = [:]
    for (place, sample) in Self.samples.enumerated() {
      let row = try Self.row(place, views)
      rows[sample.id] = row
      try sums.add(row.impact)
    }
    let images = try (1...4).map { image in
      try ImageImpact(samples: Self.samples.filter { $0.image == image }.compactMap { rows[$0.id]?.impact })
    }
    let identity = ScoreIdentity(
      programVersion: "1", modelType: "qwen2_vl", modelSHA256: "aa", weightsSampleSHA256: "ee", adapterSHA256: nil,
      chatTemplateSHA256: "cc",
      modelFiles: "dd  config.json", datasetSHA256: digest, prompt: "Say <what> & \"where\".", precision: "f32",
      resize: "torchvision",
      limit: nil, options: HeadImpactOptions(),
      savesScores: savesScores)
    try HeadImpactFile.write(
      to: file, table: sums.table(),
      statistics: HeadImpactStatistics(images: images, layers: 2, heads: 3, topLayers: 1, resamples: 50),
      samples: HeadImpactFile.Samples(ids: Self.samples.map(\.id), visualTokens: 8 * Self.samples.count) { id in
        try #require(rows[id])
      },
      skipped: skipped.map { HeadImpactFile.Skipped(id: $0.id, kind: "mask", reason: $0.reason) },
      provenance: HeadImpactFile.Provenance(
        identity: identity, modelName: "tiny", adapterName: nil, datasetName: "keyobjects.json",
        categories: [HeadImpactFile.Category(id: 1, name: "cat & dog"), HeadImpactFile.Category(id: 2, name: "bus")],
        ranks: 1, secondsScoring: 2.5),
      replacing: false)
  }

  private static func row(_ place: Int, _ views: [ImageView]) throws -> HeadImpactFile.Row {
    let isObject = (0..<8).map { $0 % 4 == columns[place] }
    var scores: [Float] = []
    for head in 0..<6 {
      for (token, object) in isObject.enumerated() {
        switch head {
        case 0: scores.append(object ? 0 : 0.1)
        case 5: scores.append(object == (place < 4) ? 0.2 : 0.01)
        default: scores.append(0.05 + 0.01 * Float((token * (head + 3)) % 7))
        }
      }
    }
    let impacts = try scores.withUnsafeBufferPointer {
      try headImpacts(scores: $0, heads: 6, mask: TokenMask(isObject), views: [grid])
    }
    let impact = try SampleImpact(
      annotationID: samples[place].id, imageID: samples[place].image, categoryID: place == 4 ? -1 : place % 2 + 1,
      tokens: SampleImpact.TokenCounts(sequence: 20, visual: 8, caption: 3, mask: 2), layers: 2, heads: 3,
      impacts: impacts)
    return HeadImpactFile.Row(
      impact: impact,
      source: HeadImpactFile.Source(
        description: "a <b>thing</b> no. \(place)", fileName: "\(samples[place].image).png", width: size.width,
        height: size.height),
      mask: isObject, views: views, scores: scores)
  }

  private static func writeDataset(to dataset: URL, images: URL) throws {
    try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
    let (width, height) = size
    for image in 1...4 {
      let pixels = (0..<(width * height)).flatMap { [UInt8($0 % width), UInt8($0 / width), UInt8(image * 40)] }
      try Data(encodePNG(RGBImage(width: width, height: height, pixels: pixels)))
        .write(to: images.appendingPathComponent("\(image).png"))
    }
    let records = (1...4).map {
      #"{"id": \#($0), "file_name": "\#($0).png", "width": \#(width), "height": \#(height)}"#
    }
    let annotations = samples.enumerated().map { place, sample in
      let (left, right) = (columns[place] * 20, columns[place] * 20 + 20)
      let category = place == 4 ? "" : #""category_id": \#(place % 2 + 1), "#
      return
        #"{"id": \#(sample.id), "image_id": \#(sample.image), \#(category)"description": "a <b>thing</b> no. \#(place)", "#
        + #""segmentation": [[\#(left), 0, \#(right), 0, \#(right), \#(height), \#(left), \#(height)]]}"#
    }
    let json = #"""
      {"images": [\#(records.joined(separator: ", "))],
       "categories": [{"id": 1, "name": "cat & dog"}, {"id": 2, "name": "bus"}],
       "annotations": [\#(annotations.joined(separator: ",\n"))]}
      """#
    try Data(json.utf8).write(to: dataset)
  }
}
