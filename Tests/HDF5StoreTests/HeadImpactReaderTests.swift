import Foundation
import HDF5Store
import HeadImpact
import TestSupport
import Testing

@Suite("Reading all of a Head Impact file")
struct HeadImpactReaderTests {
  private func impact(_ id: Int, _ level: Double) throws -> SampleImpact {
    try SampleImpact(
      annotationID: id, imageID: id / 10, categoryID: -1,
      tokens: SampleImpact.TokenCounts(sequence: 40, visual: 3, caption: 4, mask: 2), layers: 1, heads: 2,
      hi: (0..<12).map { level * Double($0) / 12 }, chance: [Double](repeating: 0.5, count: 12),
      nosink: [Double](repeating: 1, count: 12), sinkShare: [0, 0.125])
  }

  private let views = [
    ImageView(kind: .tile, grid: ViewGrid(rows: 1, cols: 2), box: Cell(x0: 0, y0: 0.5, x1: 20, y1: 9)),
    ImageView(kind: .wholeImage, grid: ViewGrid(rows: 1, cols: 1), box: Cell(x0: 0, y0: 0, x1: 20, y1: 10)),
  ]

  private func write(to url: URL, savesScores: Bool, system: String? = nil, views: [ImageView]? = nil) throws {
    let impacts = [10: try impact(10, 0.5), 20: try impact(20, 1)]
    var sums = HeadImpactAccumulator(layers: 1, heads: 2)
    var bootstrap = try Bootstrap(images: 2, layers: 1, heads: 2, resamples: 10)
    for impact in impacts.values {
      try sums.add(impact)
      try bootstrap.add(samplesOfOneImage: [impact])
    }
    try HeadImpactFile.write(
      to: url, table: sums.table(), intervals: bootstrap.intervals(topLayers: 3), samples: [10, 20],
      row: {
        HeadImpactFile.Row(
          impact: try #require(impacts[$0]), views: views ?? self.views, scores: [0, 1, 2, 3, 4, Float($0)])
      },
      skipped: [HeadImpactFile.Skipped(id: 7, kind: "mask", reason: "größe: 0 ☕")],
      provenance: HeadImpactFile.Provenance(
        identity: ScoreIdentity(
          programVersion: "1", modelType: "qwen2_vl", modelSHA256: "aa", weightsSampleSHA256: "ee", adapterSHA256: nil,
          chatTemplateSHA256: "cc", modelFiles: "dd  config.json", datasetSHA256: "bb", system: system, prompt: "p",
          precision: "f32", resize: "torchvision", limit: nil, options: HeadImpactOptions(), savesScores: savesScores),
        modelName: "tiny", adapterName: nil, ranks: 1, secondsScoring: 1), replacing: true)
  }

  @Test("gives back what was written: tables, samples, their values and scores, what was skipped, attributes")
  func everything() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("hi.h5")
      try write(to: url, savesScores: true)
      try HeadImpactFile.open(url) { reader in
        #expect(reader.samples.map(\.id) == [10, 20] && reader.samples.map(\.imageID) == [1, 2])
        #expect(reader.samples[1].categoryID == -1 && reader.samples[1].tokens.mask == 2)
        #expect(reader.samples.allSatisfy { $0.views == views })
        #expect(reader.skipped.map(\.id) == [7] && reader.skipped.map(\.reason) == ["größe: 0 ☕"])
        #expect(reader.text("dataset_sha256") == "bb" && reader.text("ranks") == nil)
        #expect(reader.interval.count == 24 && reader.layerTopFrequency == [1, 1, 1, 1, 1, 1])
        // Never more than there are layers.
        #expect(reader.topLayers == 1)
        var rows: [[Float]] = []
        try reader.forEachSample { place, values in
          #expect(place == rows.count)
          rows.append(Array(values))
        }
        let written = [try impact(10, 0.5), try impact(20, 1)].map { $0.hi.map { Float($0) } }
        #expect(rows == written)
        let scores = try reader.scores(of: reader.samples[1], layer: 0, head: 1)
        #expect(scores == [3, 4, 20])
      }
    }
  }

  @Test("a system's turn is an attribute of a run that had one, and of no other")
  func system() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("hi.h5")
      for system in [nil, "", "Be terse.\nIn one word: größe"] {
        try write(to: url, savesScores: false, system: system)
        #expect(try HeadImpactFile.origin(of: url).identity.system == system)
        try HeadImpactFile.open(url) { reader in #expect(reader.text("system") == system) }
      }
    }
  }

  @Test("a view on a rectangle that no picture has is refused, naming it", arguments: [1e300, -1e19, .infinity, .nan])
  func rectangles(_ edge: Double) throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("hi.h5")
      let box = Cell(x0: 0, y0: 0, x1: edge, y1: 10)
      try write(
        to: url, savesScores: false,
        views: [ImageView(kind: .wholeImage, grid: ViewGrid(rows: 1, cols: 3), box: box)])
      #expect {
        try HeadImpactFile.open(url) { _ = $0.samples }
      } throws: {
        "\($0)".contains("\(edge)")
      }
    }
  }

  @Test("a run that saved no scores has none")
  func noScores() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("hi.h5")
      try write(to: url, savesScores: false)
      let scores = try HeadImpactFile.open(url) { try $0.scores(of: $0.samples[0], layer: 0, head: 0) }
      #expect(scores == nil)
    }
  }

  @Test("a file without samples' values is refused, naming what is missing")
  func missing() throws {
    try ScratchFolder.with { scratch in
      let url = scratch.file("tables.h5")
      try HDF5File.write(to: url.path) { file throws in
        try file.defineDimension("measure", values: Measure.allCases.map(\.rawValue))
        try file.defineDimension("layer", values: [0] as [Int32])
        try file.defineDimension("head", values: [0] as [Int32])
        try file.defineDimension("sample", values: [4] as [Int64])
        for name in ["hi", "hi_stderr", "hi_chance", "hi_nosink"] {
          try file.write([Double](repeating: 0, count: 6), to: name, shape: [6, 1, 1])
        }
        try file.write([0.0], to: "sink_share", shape: [1, 1])
      }
      #expect(throws: Never.self) { try HeadImpactFile.read(url) }
      let error = try #require(throws: HDF5Error.self) { try HeadImpactFile.open(url) { $0.path } }
      #expect(error.description.contains("tables.h5: /hi_interval"))
    }
  }
}
