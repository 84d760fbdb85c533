import COCO
import Figures
import HDF5Store
import HeadImpact
import ImageInput

extension HeadImpactReport {
  private static let most = 6

  /// The pictures of the samples with the highest and the lowest HI of the best head.
  static func bestAndWorst(_ input: ReportInput, _ dataset: ReportedDataset) throws -> [Pictures] {
    let order = input.bestBySample.indices.sorted {
      (input.bestBySample[$0], -$0) > (input.bestBySample[$1], -$1)
    }
    let highest = order.prefix(min(most, (order.count + 1) / 2))
    let lowest = order.reversed().prefix(min(most, order.count / 2))
    var groups = [try group(input, dataset, Array(highest), id: "highest", words: "highest")]
    if !lowest.isEmpty { groups.append(try group(input, dataset, Array(lowest), id: "lowest", words: "lowest")) }
    return groups
  }

  private static func group(
    _ input: ReportInput, _ dataset: ReportedDataset, _ places: [Int], id: String, words: String
  ) throws -> Pictures {
    var pictures: [Pictures.Picture] = []
    var rows: [[DataTable.Value]] = []
    var kinds: Set<ImageView.Kind> = []
    for place in places {
      let sample = input.reader.samples[place]
      let hi = input.bestBySample[place]
      let found = try dataset.sample(sample.id)
      let thumbnail = try Thumbnail(found.image, mask: found.mask)
      let description = found.annotation.description ?? ""
      var files = [
        try file(
          thumbnail.outlined(), name: "\(sample.id).png",
          description: "\(description): picture with the object outlined")
      ]
      if let scores = try input.reader.scores(of: sample, layer: input.best.layer, head: input.best.head) {
        let views = try input.views(of: sample, scores, mask: found.mask, hi: hi)
        let overlays = AttentionOverlay.overlays(of: views)
        kinds.formUnion(overlays.map(\.kind))
        files += try overlays.map { overlay in
          try file(
            thumbnail.overlaid(
              overlay.tokens.flatMap { scores[$0] }, on: overlay.views, peak: scores.max() ?? 0),
            name: "\(sample.id)-attention\(overlays.count > 1 ? "-\(overlay.suffix)" : "").png",
            description:
              "\(description): attention of head \(input.bestName) over \(overlays.count > 1 ? overlay.words : "the picture")"
          )
        }
      }
      let category = input.categoryName(sample.categoryID)
      pictures.append(
        Pictures.Picture(
          files: files,
          lines: [description, "HI \(NumberText.number(hi)), \(category), annotation \(sample.id)"].filter {
            !$0.isEmpty
          }))
      rows.append([
        .text(String(sample.id)), .text(found.fileName), .text(category), .text(description), .number(hi),
      ])
    }
    let both = kinds.count > 1 ? ", on the tiles and then on the whole image where the model is shown both" : ""
    let attention =
      kinds.isEmpty ? "" : " Beside it the attention of that head, from dark blue (none) to yellow (its peak)\(both)."
    return Pictures(
      id: "\(id)-samples", title: "The \(words) HI of head \(input.bestName)",
      caption:
        "The object’s mask is outlined.\(attention) \(NumberText.counted(places.count, "sample")) of \(input.table.samples), by "
        + "“\(input.measure.rawValue)”.",
      pictures: pictures,
      data: DataTable(
        [
          .init("sample", "annotation"), .init("file_name", "file"), .init("category", "category"),
          .init("description", "description"), .init("hi", "HI"),
        ], rows))
  }

  private static func file(_ image: RGBImage, name: String, description: String) throws -> Pictures.Picture.File {
    Pictures.Picture.File(
      name: name, bytes: try encodePNG(image), width: image.width, height: image.height, description: description)
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
