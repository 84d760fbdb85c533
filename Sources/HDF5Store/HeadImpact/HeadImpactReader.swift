import HeadImpact

/// Everything in a finished file of version 1 or 2: the tables at once, each sample's values when they are asked for.
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
    /// Nil in a file of version 1.
    public let source: HeadImpactFile.Source?
    /// Where its visual tokens begin among those of all samples.
    let firstToken: Int

    var tokenRange: Range<Int> { firstToken..<firstToken + tokens.visual }
  }

  public typealias Skipped = HeadImpactFile.Skipped

  public let path: String
  /// Of the format: 1 or 2.
  public let version: Int
  /// Corrected values are nil in a file of version 1.
  public let table: HeadImpactTable
  /// The 95% interval of every head's HI. - Shape: [bound, measure, layer, head]
  public let interval: [Double]
  /// The 95% interval of every head's HI corrected for chance; nil in a file of version 1.
  /// - Shape: [bound, measure, layer, head]
  public let correctedInterval: [Double]?
  /// The tests of heads against chance; nil in a file of version 1.
  public let beyondChance: BeyondChance?
  /// The share of resamples in which the layer is among the best `topLayers`. - Shape: [measure, layer]
  public let layerTopFrequency: [Double]
  /// The same by the corrected values; nil in a file of version 1.
  public let correctedLayerTopFrequency: [Double]?
  /// k of `layerTopFrequency`.
  public let topLayers: Int
  /// Ascending by id.
  public let samples: [Sample]
  /// Of the dataset, ascending by id; none in a file of version 1.
  public let categories: [HeadImpactFile.Category]
  /// Of an empty kind where a file of an older version doesn't say.
  public let skipped: [Skipped]
  /// The root's attributes by name, in the order of the alphabet.
  public let attributes: [(name: String, value: HDF5Attribute)]

  private let file: HDF5File
  private let categoryNames: [Int: String]

  init(_ file: HDF5File) throws {
    self.file = file
    path = file.path
    let version = try HeadImpactFile.version(of: file)
    self.version = version
    let table = try HeadImpactFile.table(file)
    self.table = table
    let measures = table.measures.count
    let bounds = [2, measures, table.layers, table.heads]
    interval = try file.read("hi_interval", as: Double.self, shape: bounds).values
    layerTopFrequency = try file.read("layer_top_frequency", as: Double.self, shape: [measures, table.layers]).values
    let isNew = version > 1
    correctedInterval = try isNew ? file.read("hi_corrected_interval", as: Double.self, shape: bounds).values : nil
    correctedLayerTopFrequency =
      try isNew
      ? file.read("layer_top_frequency_corrected", as: Double.self, shape: [measures, table.layers]).values : nil
    beyondChance = try HeadImpactFile.beyondChance(file, table)
    samples = try Self.samples(file, count: table.samples, version: version)
    categories = try isNew ? Self.categories(file) : []
    categoryNames = Dictionary(categories.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
    skipped = try Self.skipped(file)
    attributes = try file.attributeNames().compactMap { name in
      try file.attribute(name).map { (name: name, value: $0) }
    }
    guard case .integer(let k)? = attributes.first(where: { $0.name == "top_layers" })?.value,
      (1...Int64(Int32.max)).contains(k)
    else { throw HeadImpactError("\(file.path): its attribute top_layers is not a positive whole number") }
    topLayers = min(Int(k), table.layers)
    try requireShape(of: "sample_hi", [table.samples, measures, table.layers, table.heads])
    guard isNew else { return }
    let tokens = samples.last?.tokenRange.upperBound ?? 0
    try requireShape(of: "sample_chance", [table.samples, measures, table.layers, table.heads])
    try requireShape(of: "token_mask", [tokens])
    if try file.exists("scores") { try requireShape(of: "scores", [tokens, table.layers, table.heads]) }
  }

  /// A root attribute that is text.
  public func text(_ name: String) -> String? {
    if case .string(let text)? = attributes.first(where: { $0.name == name })?.value { text } else { nil }
  }

  /// The name of a category of the dataset; nil if it has none, and in a file of version 1.
  public func categoryName(_ id: Int) -> String? { categoryNames[id] }

  /// Reads each sample's HI in turn.
  ///
  /// - Parameter body: takes the sample's place in `samples` and its values, [measure, layer, head].
  public func forEachSample(_ body: (Int, ArraySlice<Float>) throws -> Void) throws {
    try forEachBlock { first, block, _ in
      for (row, values) in block.enumerated() { try body(first + row, values) }
    }
  }

  /// Reads each sample's HI and what it would be by chance, in turn.
  ///
  /// - Parameter body: takes the sample's place in `samples`, its values, and the chance of each, [measure, layer, head];
  ///   nil in a file of version 1.
  public func forEachSampleWithChance(_ body: (Int, ArraySlice<Float>, ArraySlice<Float>?) throws -> Void) throws {
    try forEachBlock { first, block, rows in
      let chances = try version > 1 ? self.rows(rows, of: "sample_chance") : nil
      for (row, values) in block.enumerated() { try body(first + row, values, chances?[row]) }
    }
  }

  private func forEachBlock(_ body: (Int, [ArraySlice<Float>], Range<Int>) throws -> Void) throws {
    // About 4 MiB at a time, whole chunks of what the writer makes.
    let rows = max(1, (1 << 20) / (table.measures.count * table.layers * table.heads))
    for first in stride(from: 0, to: samples.count, by: rows) {
      let some = first..<min(first + rows, samples.count)
      try body(first, self.rows(some, of: "sample_hi"), some)
    }
  }

  private func rows(_ rows: Range<Int>, of name: String) throws -> [ArraySlice<Float>] {
    let size = table.measures.count * table.layers * table.heads
    let values = try file.readRows(rows, of: name, as: Float.self).values
    return stride(from: 0, to: values.count, by: size).map { values[$0..<$0 + size] }
  }

  /// Which visual tokens of a sample the object covers; nil in a file of version 1.
  ///
  /// - Returns: [visual]
  public func tokenMask(of sample: Sample) throws -> [Bool]? {
    guard version > 1 else { return nil }
    let mask = try file.readRows(sample.tokenRange, of: "token_mask", as: UInt8.self).values
    guard mask.allSatisfy({ $0 <= 1 }), mask.count(where: { $0 == 1 }) == sample.tokens.mask else {
      throw HeadImpactError(
        "\(path): /token_mask doesn't have \(sample.tokens.mask) ones and else zeros for sample \(sample.id)")
    }
    return mask.map { $0 == 1 }
  }

  /// The attention of one head on the visual tokens of a sample; nil if the run didn't save scores.
  ///
  /// - Returns: [visual]
  public func scores(of sample: Sample, layer: Int, head: Int) throws -> [Float]? {
    let visual = sample.tokens.visual
    guard version > 1 else {
      let name = "/scores/\(sample.id)"
      guard try file.exists(name) else { return nil }
      try requireShape(of: name, [table.layers, table.heads, visual])
      let row = try file.readRows(layer..<(layer + 1), of: name, as: Float.self).values
      return Array(row[(head * visual)..<((head + 1) * visual)])
    }
    guard try file.exists("scores") else { return nil }
    let all = try file.readRows(sample.tokenRange, of: "scores", as: Float.self).values
    let perToken = table.layers * table.heads
    return (0..<visual).map { all[$0 * perToken + layer * table.heads + head] }
  }

  /// The attention of every head on the visual tokens of a sample; nil if the run didn't save scores.
  ///
  /// - Returns: [layer, head, visual]
  public func scores(of sample: Sample) throws -> [Float]? {
    let visual = sample.tokens.visual
    guard version > 1 else {
      let name = "/scores/\(sample.id)"
      guard try file.exists(name) else { return nil }
      return try file.read(name, as: Float.self, shape: [table.layers, table.heads, visual]).values
    }
    guard try file.exists("scores") else { return nil }
    let all = try file.readRows(sample.tokenRange, of: "scores", as: Float.self).values
    let perToken = table.layers * table.heads
    return (0..<perToken).flatMap { head in (0..<visual).map { all[$0 * perToken + head] } }
  }

  private func requireShape(of name: String, _ expected: [Int]) throws {
    let shape = try file.shape(of: name)
    guard shape == expected else {
      throw HeadImpactError("\(path): \(name.hasPrefix("/") ? "" : "/")\(name) has the shape \(shape), not \(expected)")
    }
  }
}
