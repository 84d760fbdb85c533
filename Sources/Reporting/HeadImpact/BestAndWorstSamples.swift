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
    var anyAttention = false
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
      if let scores = try input.reader.scores(of: sample, layer: input.best.layer, head: input.best.head),
        let grid = try GridSearch(mask: found.mask, options: input.gridOptions)
          .grid(of: scores, maskTokens: sample.tokens.mask, hi: hi, by: input.measure)
      {
        anyAttention = true
        files.append(
          try file(
            thumbnail.overlaid(scores, on: grid), name: "\(sample.id)-attention.png",
            description: "\(description): attention of head \(input.bestName) over the picture"))
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
    let attention =
      anyAttention ? " Beside it the attention of that head, from dark blue (none) to yellow (its peak)." : ""
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

extension ReportInput {
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
