import HeadImpact

extension HeadImpactFile {
  static func writeSamples(
    _ file: HDF5File, _ table: HeadImpactTable, _ samples: Samples, savesScores: Bool, _ compression: Compression
  ) throws {
    let tables = [samples.ids.count, table.measures.count, table.layers, table.heads]
    var values = try ChunkedColumn(
      file, "sample_hi", "Head Impact of each sample", shape: tables, dimensions: ["sample"] + cube, compression)
    var chances = try ChunkedColumn(
      file, "sample_chance", "the same with the sample's mask moved by every cyclic shift, averaged", shape: tables,
      dimensions: ["sample"] + cube, compression)
    var scores =
      try savesScores
      ? ChunkedColumn(
        file, "scores", "attention score of each visual token, averaged over the caption",
        shape: [samples.visualTokens, table.layers, table.heads], dimensions: ["token", "layer", "head"], compression)
      : nil
    var masks = try TokenMaskColumn(file, tokens: samples.visualTokens)
    var columns = SampleColumns()
    var views = ViewColumns()
    for id in samples.ids {
      let row = try samples.row(id)
      let impact = row.impact
      let visual = impact.tokens.visual
      guard impact.layers == table.layers, impact.heads == table.heads, row.mask.count == visual,
        !savesScores || row.scores.count == table.layers * table.heads * visual
      else {
        throw HeadImpactError(
          "\(file.path): sample \(id) has \(impact.layers) layers of \(impact.heads) heads, \(visual) visual tokens, a "
            + "mask of \(row.mask.count) tokens and \(row.scores.count) scores, which don't fit one another")
      }
      try values.append(impact.hi.map { Float($0) })
      try chances.append(impact.chance.map { Float($0) })
      try masks.append(row.mask)
      try scores?.append(byToken(row.scores, tokens: visual))
      columns.append(row)
      views.append(row.views, of: id, visualTokens: visual)
    }
    try values.finish()
    try chances.finish()
    try scores?.finish()
    try masks.finish()
    try columns.write(to: file)
    try views.write(to: file)
  }

  /// - Parameter scores: [layer, head, visual]
  /// - Returns: [visual, layer, head]
  private static func byToken(_ scores: [Float], tokens: Int) -> [Float] {
    let heads = scores.count / max(1, tokens)
    return [Float](unsafeUninitializedCapacity: scores.count) { turned, initialized in
      for token in 0..<tokens {
        for head in 0..<heads {
          turned.initializeElement(at: token * heads + head, to: scores[head * tokens + token])
        }
      }
      initialized = scores.count
    }
  }
}

/// `token_mask`, written sample by sample.
struct TokenMaskColumn {
  private static let name = "token_mask"
  private let file: HDF5File
  private let tokens: Int
  private var written = 0

  init(_ file: HDF5File, tokens: Int) throws {
    (self.file, self.tokens) = (file, tokens)
    try file.createDataset(
      Self.name, of: UInt8.self, shape: [tokens], dimensions: ["token"], storage: .compressed())
    try HeadImpactFile.describe(file, Self.name, "1 for a visual token that the object covers, else 0", units: "1")
  }

  mutating func append(_ mask: [Bool]) throws {
    guard mask.count <= tokens - written else { throw wrong(written + mask.count) }
    try file.writeRows(mask.map { $0 ? 1 : 0 } as [UInt8], to: Self.name, from: written)
    written += mask.count
  }

  func finish() throws {
    guard written == tokens else { throw wrong(written) }
  }

  private func wrong(_ count: Int) -> HeadImpactError {
    HeadImpactError("\(file.path): its samples have \(count) visual tokens, not the \(tokens) that were counted")
  }
}

/// What the file has one value of for each sample, in memory until all are known: strings are as long as the longest.
private struct SampleColumns {
  private var imageIDs: [Int64] = []
  private var categoryIDs: [Int64] = []
  private var descriptions: [String] = []
  private var fileNames: [String] = []
  private var widths: [Int32] = []
  private var heights: [Int32] = []
  private var tokens: [SampleImpact.TokenCounts] = []

  mutating func append(_ row: HeadImpactFile.Row) {
    imageIDs.append(Int64(row.impact.imageID))
    categoryIDs.append(Int64(row.impact.categoryID))
    descriptions.append(HeadImpactFile.storable(row.source.description))
    fileNames.append(HeadImpactFile.storable(row.source.fileName))
    widths.append(Int32(clamping: row.source.width))
    heights.append(Int32(clamping: row.source.height))
    tokens.append(row.impact.tokens)
  }

  func write(to file: HDF5File) throws {
    func write<T: HDF5Element>(_ values: [T], _ name: String, _ meaning: String, units: String = "1") throws {
      try file.write(values, to: name, dimensions: ["sample"])
      try HeadImpactFile.describe(file, name, meaning, units: units)
    }
    func write(_ values: [String], _ name: String, _ meaning: String) throws {
      try file.write(values, to: name, dimensions: ["sample"])
      try HeadImpactFile.describe(file, name, meaning, units: "1")
    }
    try write(imageIDs, "image_id", "id of the sample's image")
    try write(categoryIDs, "category_id", "id of the object's category; -1 if it has none")
    try write(descriptions, "description", "what the object is, as the model was told")
    try write(fileNames, "file_name", "the image's file, below the folder of images")
    try write(widths, "image_width", "width of the image as the model sees it, upright", units: "pixel")
    try write(heights, "image_height", "height of the image as the model sees it, upright", units: "pixel")
    func counts(_ count: KeyPath<SampleImpact.TokenCounts, Int>) -> [Int32] {
      tokens.map { Int32($0[keyPath: count]) }
    }
    try write(counts(\.sequence), "sequence_tokens", "tokens of the whole sequence")
    try write(counts(\.visual), "visual_tokens", "visual tokens")
    try write(counts(\.caption), "caption_tokens", "tokens of the description")
    try write(counts(\.mask), "mask_tokens", "visual tokens that the object covers")
  }
}
