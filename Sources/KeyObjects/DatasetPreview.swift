import COCO
import Figures
import Foundation
import HeadImpact
import IO
import ImageInput
import Kernels
import RunSupport
import VisionLanguage

/// Contact sheets of a key-object dataset: image, mask, mask as visual tokens, and the description.
public struct DatasetPreview {
  private let dataset: URL
  private let images: URL
  private let model: URL?
  private let input: InputOptions
  private let output: URL
  private let limit: Int
  private let overwrites: Bool
  private let isQuiet: Bool
  /// The command's own folders, which may be replaced.
  static let folder = PageFolder(generator: "headimpact dataset preview") { $0.hasSuffix(".png") }

  public struct Summary: Sendable, Encodable {
    public let output: String
    public let samples: Int
    /// Samples of the dataset that can't be shown, and why.
    public let skipped: [String]
  }

  /// - Parameters:
  ///   - model: determines the visual tokens.
  ///   - input: plays no part in the pictures.
  ///   - output: a folder that isn't there yet, unless an earlier preview may be overwritten.
  ///   - limit: samples to show, the first by annotation id.
  public init(
    dataset: URL, images: URL, model: URL?, input: InputOptions = InputOptions(), output: URL, limit: Int,
    overwrites: Bool = false, isQuiet: Bool = true
  ) {
    self.dataset = dataset
    self.images = images
    self.model = model
    self.input = input
    self.output = output
    self.limit = limit
    self.overwrites = overwrites
    self.isQuiet = isQuiet
  }

  private struct Sample {
    let id: Int64
    let description: String
    let detail: String
    let strip: SampleStrip
  }

  /// - Throws: what is wrong with the inputs, or that no sample can be shown; the folder appears as a whole or not at
  ///   all.
  public func run() throws -> Summary {
    guard limit >= 1 else { throw KeyObjectError("--limit \(limit): at least 1") }
    try JobInputs.checkFolder(of: output)
    if let reason = try Self.folder.refusal(of: output, overwrites: overwrites) {
      throw KeyObjectError("\(output.path): \(reason)")
    }
    let contents = try KeyObjectDataset(contentsOf: dataset)
    let vision = try model.map { folder in
      try ModelRegistry.load(
        folder: folder, input: input,
        backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
    }
    let refusal = { (old: URL, _: URL) in try Self.folder.refusal(of: old, overwrites: overwrites) }
    return try WholeFolder.write(to: output, what: "the preview", refusal: refusal) { folder in
      try write(contents, vision, to: folder)
    }
  }

  private func write(
    _ contents: KeyObjectDataset, _ vision: (any VisionLanguageModel)?, to folder: URL
  ) throws -> Summary {
    var skipped = contents.problems.warnings()
    var entries: [PreviewPage.Entry] = []
    var page: [Sample] = []
    var sheets: [String] = []
    func finishPage() throws {
      guard !page.isEmpty else { return }
      sheets.append(String(format: "sheet-%03d.png", sheets.count + 1))
      try WholeFolder.write(encodePNG(sheet(of: page)), to: folder.appendingPathComponent(sheets[sheets.count - 1]))
      page = []
    }
    let panels = vision == nil ? 2 : 3
    let shown = contents.annotationsByID().prefix(limit)
    let progress = ProgressReporter(total: shown.count, begun: 0, ranks: 1, isQuiet: isQuiet)
    defer { progress.finish() }
    for annotation in shown {
      do {
        let sample = try sample(annotation, of: contents, vision)
        let strip = try Canvas(
          width: Int(SampleStrip.width(panels: panels)), height: Int(SampleStrip.panelHeight))
        try sample.strip.draw(on: strip, x: 0, y: 0)
        let name = "\(sample.id).png"
        try WholeFolder.write(encodePNG(strip.image()), to: folder.appendingPathComponent(name))
        entries.append(PreviewPage.Entry(file: name, description: sample.description, detail: sample.detail))
        page.append(sample)
      } catch let error as any ContentFault {
        skipped.append("annotation \(annotation.id): \(error)")
      }
      progress.advance(by: 1)
      if page.count == Self.samplesPerSheet { try finishPage() }
    }
    try finishPage()
    guard !entries.isEmpty else {
      throw KeyObjectError(
        "\(dataset.path): no sample can be shown" + skipped.prefix(5).map { "\n  " + $0 }.joined())
    }
    let html = PreviewPage(
      title: "Key objects of \(dataset.lastPathComponent)", entries: entries, sheets: sheets,
      total: contents.annotations.count,
      model: model.map(modelName(ofFolder:)), skipped: skipped
    ).html
    try WholeFolder.write(Data(html.utf8), to: folder.appendingPathComponent("index.html"))
    return Summary(output: output.path, samples: entries.count, skipped: skipped)
  }

  private func sample(
    _ annotation: Annotation, of contents: KeyObjectDataset, _ vision: (any VisionLanguageModel)?
  ) throws -> Sample {
    guard let image = contents.image(annotation.imageID) else {
      throw SampleFault("there is no image \(annotation.imageID)")
    }
    let photograph = try JobInputs.image(image.fileName, in: images, size: image.size.map { ($0.width, $0.height) })
    let mask = try contents.mask(for: annotation, height: photograph.height, width: photograph.width)
    let tokens = try vision.map { model in
      let layout = try model.visualLayout(width: photograph.width, height: photograph.height)
      return (layout: layout, mask: try TokenMask(of: mask, cells: layout.visualCells))
    }
    let category = annotation.categoryID.flatMap(contents.category)?.name ?? "no category"
    let share = Double(mask.area) / Double(mask.width * mask.height)
    var detail = "\(category), \(annotation.id), \(NumberText.plain(share * 100, decimals: 1))% of \(image.fileName)"
    if let tokens { detail += ", \(tokens.mask.count) of \(tokens.layout.visualTokens) tokens" }
    return Sample(
      id: annotation.id, description: annotation.description ?? annotation.question ?? "(no description)",
      detail: detail,
      strip: SampleStrip(photograph, mask: mask, tokens: tokens.map { Self.drawn($0.layout, $0.mask) }))
  }

  /// The cells to draw, and whether each is the object's: those of the tiles if the image is shown in tiles and as a whole.
  private static func drawn(_ layout: VisualLayout, _ mask: TokenMask) -> [(cell: Cell, isObject: Bool)] {
    let tiles = layout.views.filter { $0.kind == .tile }
    return (tiles.isEmpty ? layout.views : tiles).flatMap(\.tokens).map { (layout.visualCells[$0], mask.isObject[$0]) }
  }

  // MARK: - The sheet

  private static let samplesPerSheet = 16
  private static let columns = 2
  private static let margin = 20.0
  private static let textHeight = 44.0

  private func sheet(of samples: [Sample]) throws -> RGBImage {
    let width = SampleStrip.width(panels: samples[0].strip.panels.count)
    let columns = min(Self.columns, samples.count)
    let rows = (samples.count + columns - 1) / columns
    let height = SampleStrip.panelHeight + Self.textHeight
    let canvas = try Canvas(
      width: Int(Double(columns) * (width + Self.margin) + Self.margin),
      height: Int(Double(rows) * (height + Self.margin) + Self.margin))
    for (index, sample) in samples.enumerated() {
      let x = Self.margin + Double(index % columns) * (width + Self.margin)
      let y = Self.margin + Double(index / columns) * (height + Self.margin)
      try sample.strip.draw(on: canvas, x: x, y: y)
      let base = y + SampleStrip.panelHeight
      canvas.write(sample.description, x: x, y: base + 19, size: 15, isBold: true, width: width)
      canvas.write(sample.detail, x: x, y: base + 37, size: 12, color: Colour(grey: 0.4), width: width)
    }
    return try canvas.image()
  }
}
