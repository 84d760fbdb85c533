import HeadImpact

/// Everything in a finished file: the tables at once, each sample's values when they are asked for.
public struct HeadImpactReader {
  /// The file's data about one sample, except its values.
  public struct Sample: Sendable, Equatable {
    /// The annotation's id.
    public let id: Int
    public let imageID: Int
    /// -1 where the annotation has none.
    public let categoryID: Int
    public let tokens: SampleImpact.TokenCounts
    /// That hold the visual tokens, in their order; none if a file of an older version doesn't say.
    public let views: [ImageView]
  }

  public struct Skipped: Sendable, Equatable {
    public let id: Int
    public let reason: String
  }

  public let path: String
  public let table: HeadImpactTable
  /// The 95% interval of every head's HI. - Shape: [bound, measure, layer, head]
  public let interval: [Double]
  /// The share of resamples in which the layer is among the best `topLayers`. - Shape: [measure, layer]
  public let layerTopFrequency: [Double]
  /// k of `layerTopFrequency`.
  public let topLayers: Int
  /// Ascending by id.
  public let samples: [Sample]
  public let skipped: [Skipped]
  /// The root's attributes by name, in the order of the alphabet.
  public let attributes: [(name: String, value: HDF5Attribute)]

  private let file: HDF5File

  init(_ file: HDF5File) throws {
    self.file = file
    path = file.path
    let table = try HeadImpactFile.table(file)
    self.table = table
    let measures = table.measures.count
    interval = try file.read("hi_interval", as: Double.self, shape: [2, measures, table.layers, table.heads]).values
    layerTopFrequency = try file.read("layer_top_frequency", as: Double.self, shape: [measures, table.layers]).values
    samples = try Self.samples(file, count: table.samples)
    skipped = try Self.skipped(file)
    attributes = try file.attributeNames().compactMap { name in
      try file.attribute(name).map { (name: name, value: $0) }
    }
    guard case .integer(let k)? = attributes.first(where: { $0.name == "top_layers" })?.value,
      (1...Int64(Int32.max)).contains(k)
    else { throw HeadImpactError("\(file.path): its attribute top_layers is not a positive whole number") }
    topLayers = min(Int(k), table.layers)
    let shape = try file.shape(of: "sample_hi")
    guard shape == [table.samples, measures, table.layers, table.heads] else {
      throw HeadImpactError(
        "\(file.path): /sample_hi has the shape \(shape), "
          + "not \([table.samples, measures, table.layers, table.heads])")
    }
  }

  /// A root attribute that is text.
  public func text(_ name: String) -> String? {
    if case .string(let text)? = attributes.first(where: { $0.name == name })?.value { text } else { nil }
  }

  /// Reads each sample's HI in turn.
  ///
  /// - Parameter body: takes the sample's place in `samples` and its values, [measure, layer, head].
  public func forEachSample(_ body: (Int, ArraySlice<Float>) throws -> Void) throws {
    let size = table.measures.count * table.layers * table.heads
    // About 4 MiB at a time, whole chunks of what the writer makes.
    let rows = max(1, (1 << 20) / size)
    for first in stride(from: 0, to: samples.count, by: rows) {
      let block = try file.readRows(first..<min(first + rows, samples.count), of: "sample_hi", as: Float.self)
      for (row, start) in stride(from: 0, to: block.values.count, by: size).enumerated() {
        try body(first + row, block.values[start..<(start + size)])
      }
    }
  }

  /// The attention of one head on the visual tokens of a sample; nil if the run didn't save scores.
  ///
  /// - Returns: [visual]
  public func scores(of sample: Sample, layer: Int, head: Int) throws -> [Float]? {
    let name = "/scores/\(sample.id)"
    guard try file.exists(name) else { return nil }
    let visual = sample.tokens.visual
    let shape = try file.shape(of: name)
    guard shape == [table.layers, table.heads, visual] else {
      throw HeadImpactError("\(path): \(name) has the shape \(shape), not \([table.layers, table.heads, visual])")
    }
    let row = try file.readRows(layer..<(layer + 1), of: name, as: Float.self).values
    return Array(row[(head * visual)..<((head + 1) * visual)])
  }

  private static func samples(_ file: HDF5File, count: Int) throws -> [Sample] {
    func integers(_ name: String) throws -> [Int] {
      try file.read(name, as: Int64.self, shape: [count]).values.map { Int($0) }
    }
    let ids = try integers("sample")
    let images = try integers("image_id")
    let categories = try integers("category_id")
    let sequence = try integers("sequence_tokens")
    let visual = try integers("visual_tokens")
    let caption = try integers("caption_tokens")
    let mask = try integers("mask_tokens")
    let views = try ViewColumns.read(file, visualTokens: zip(ids, visual).map { ($0, $1) })
    return (0..<count).map { i in
      Sample(
        id: ids[i], imageID: images[i], categoryID: categories[i],
        tokens: SampleImpact.TokenCounts(sequence: sequence[i], visual: visual[i], caption: caption[i], mask: mask[i]),
        views: views[ids[i]] ?? [])
    }
  }

  private static func skipped(_ file: HDF5File) throws -> [Skipped] {
    let ids = try file.read("/skipped/id", as: Int64.self).values
    let reasons = try file.readStrings("/skipped/reason").values
    guard ids.count == reasons.count else {
      throw HeadImpactError("\(file.path): /skipped has \(ids.count) ids and \(reasons.count) reasons")
    }
    return zip(ids, reasons).map { Skipped(id: Int($0), reason: $1) }
  }
}
