import COCO
import Figures
import HDF5Store
import HeadImpact
import ImageInput

extension HeadImpactReport {
  private static let most = 6

  /// The pictures of the samples on which the best head does best and worst.
  static func bestAndWorst(_ input: ReportInput) throws -> [Pictures] {
    let known = input.bestBySample.indices.filter { input.bestBySample[$0].isFinite }
    let order = known.sorted { (input.bestBySample[$0], -$0) > (input.bestBySample[$1], -$1) }
    let highest = order.prefix(min(most, (order.count + 1) / 2))
    let lowest = order.reversed().prefix(min(most, order.count / 2))
    return try [("highest", Array(highest)), ("lowest", Array(lowest))].compactMap { words, places in
      try group(input, places, words: words)
    }
  }

  /// Nil if no sample can be shown.
  private static func group(_ input: ReportInput, _ places: [Int], words: String) throws -> Pictures? {
    var pictures: [Pictures.Picture] = []
    var rows: [[DataTable.Value]] = []
    var kinds: Set<ImageView.Kind> = []
    var hasPhotographs = false
    for place in places {
      let sample = input.reader.samples[place]
      guard let found = try input.picture(of: sample) else { continue }
      let (value, category) = (input.bestBySample[place], input.categoryName(sample.categoryID))
      hasPhotographs = hasPhotographs || found.isPhotograph
      pictures.append(
        Pictures.Picture(
          files: try files(input, sample, found, place: place, kinds: &kinds),
          lines: [
            found.description, "\(input.sampleScore) \(NumberText.number(value)), \(category), annotation \(sample.id)",
          ].filter { !$0.isEmpty }))
      rows.append([
        .text(String(sample.id)), .text(found.fileName), .text(category), .text(found.description), .number(value),
      ])
    }
    guard !pictures.isEmpty else { return nil }
    return Pictures(
      id: "\(words)-samples", title: "The \(words) \(input.sampleScore) of head \(input.bestName)",
      caption: caption(input, pictures.count, kinds, hasPhotographs: hasPhotographs), pictures: pictures,
      data: DataTable(
        [
          .init("sample", "annotation"), .init("file_name", "file"), .init("category", "category"),
          .init("description", "description"), .init("score", input.sampleScore),
        ], rows))
  }

  private static func caption(
    _ input: ReportInput, _ count: Int, _ kinds: Set<ImageView.Kind>, hasPhotographs: Bool
  ) -> String {
    let what =
      input.dataset != nil
      ? "The object’s mask is outlined."
      : hasPhotographs
        ? "The object’s visual tokens are outlined."
        : "The object’s visual tokens are outlined on a blank of the picture’s size; with --images its photograph shows."
    let both = kinds.count > 1 ? ", on the tiles and then on the whole image where the model is shown both" : ""
    let attention =
      kinds.isEmpty ? "" : " Beside it the attention of that head, the stronger the colour the more\(both)."
    let large = hasPhotographs ? " A click shows a picture large." : ""
    return
      "\(what)\(attention)\(large) \(NumberText.counted(count, "sample")) of \(input.table.samples), by “\(input.measure.rawValue)”."
  }

  /// The object, and the best head's attention if the run saved scores.
  private static func files(
    _ input: ReportInput, _ sample: HeadImpactReader.Sample, _ found: SamplePicture, place: Int,
    kinds: inout Set<ImageView.Kind>
  ) throws -> [Pictures.Picture.File] {
    let sizes = try [Thumbnail.side, Thumbnail.largeSide].prefix(found.isPhotograph ? 2 : 1).map {
      try Thumbnail(found.image, mask: found.mask, side: $0)
    }
    func file(_ name: String, _ description: String, _ draw: (Thumbnail) -> RGBImage) throws -> Pictures.Picture.File {
      let image = draw(sizes[0])
      let large = try sizes.dropFirst().first.map { try encodePNG(draw($0)) }
      return Pictures.Picture.File(
        name: "\(name).png", bytes: try encodePNG(image), width: image.width, height: image.height,
        description: found.description.isEmpty ? description : "\(found.description): \(description)",
        large: large.map { ("\(name)-large.png", $0) })
    }
    let outlined = try file("\(sample.id)", "picture with the object outlined") { $0.outlined() }
    guard let scores = try input.reader.scores(of: sample, layer: input.best.layer, head: input.best.head) else {
      return [outlined]
    }
    let views = try input.views(of: sample, scores, mask: found.mask, hi: input.hiBySample[place])
    let overlays = AttentionOverlay.overlays(of: views)
    kinds.formUnion(overlays.map(\.kind))
    // Where there is no photograph, the outline over the attention says it all.
    return try (found.isPhotograph || overlays.isEmpty ? [outlined] : [])
      + overlays.map { overlay in
        try file(
          "\(sample.id)-attention\(overlays.count > 1 ? "-\(overlay.suffix)" : "")",
          "attention of head \(input.bestName) over \(overlays.count > 1 ? overlay.words : "the picture")"
        ) {
          $0.overlaid(overlay.tokens.flatMap { scores[$0] }, on: overlay.views, peak: scores.max() ?? 0)
        }
      }
  }
}

/// What one picture of a sample's attention shows: its tiles side by side as in the image, or the whole image.
private struct AttentionOverlay {
  let kind: ImageView.Kind
  let views: [ImageView]
  /// Among the sample's visual tokens.
  let tokens: [Range<Int>]

  /// - Parameter all: the views of a sample, in the order of their tokens.
  static func overlays(of all: [ImageView]) -> [AttentionOverlay] {
    var start = 0
    let placed = all.map { view in
      defer { start += view.tokens }
      return (view: view, tokens: start..<start + view.tokens)
    }
    return ImageView.Kind.allCases.compactMap { kind in
      let chosen = placed.filter { $0.view.kind == kind }
      return chosen.isEmpty
        ? nil : AttentionOverlay(kind: kind, views: chosen.map(\.view), tokens: chosen.map(\.tokens))
    }
  }

  /// In the name of a file.
  var suffix: String { kind == .tile ? "tiles" : "global" }

  var words: String { kind == .tile ? "the tiles" : "the whole image" }
}

extension ReportInput {
  /// What the model was shown of a sample's image; none if it is unknown.
  ///
  /// - Parameters:
  ///   - scores: of the best head; `hi` its HI.
  ///   - mask: of the object.
  fileprivate func views(of sample: HeadImpactReader.Sample, _ scores: [Float], mask: BinaryMask, hi: Double) throws
    -> [ImageView]
  {
    guard sample.views.isEmpty else { return sample.views }
    let grid = try GridSearch(mask: mask, options: gridOptions)
      .grid(of: scores, maskTokens: sample.tokens.mask, hi: hi, by: measure)
    let box = Cell(x0: 0, y0: 0, x1: Double(mask.width), y1: Double(mask.height))
    return grid.map { [ImageView(kind: .wholeImage, grid: $0, box: box)] } ?? []
  }

  /// The options that the run's masks were made with; the defaults if the file doesn't have them.
  fileprivate var gridOptions: (coverage: Double, sinkFactor: Double) {
    func double(_ name: String, _ otherwise: Double) -> Double {
      if case .double(let value)? = reader.attributes.first(where: { $0.name == name })?.value {
        value
      } else {
        otherwise
      }
    }
    let defaults = HeadImpactOptions()
    return (double("coverage", defaults.coverage), double("sink_factor", defaults.sinkFactor))
  }
}
