/// The Head Impact of one sample (one annotation), with its data in the output.
public struct SampleImpact: Sendable, Equatable {
  /// How many tokens of each kind a sample has.
  public struct TokenCounts: Sendable, Equatable {
    public var sequence: Int
    public var visual: Int
    public var caption: Int
    public var mask: Int

    public init(sequence: Int, visual: Int, caption: Int, mask: Int) {
      self.sequence = sequence
      self.visual = visual
      self.caption = caption
      self.mask = mask
    }
  }

  public let annotationID: Int
  public let imageID: Int
  public let categoryID: Int
  public let tokens: TokenCounts
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  /// - Shape: [measure, layers, heads]; so too the next two.
  public let hi: [Double]
  public let chance: [Double]
  public let nosink: [Double]
  /// - Shape: [layers, heads]
  public let sinkShare: [Double]

  /// - Throws: `HeadImpactError` if a shape disagrees or a value is not in [0, 1] (but for rounding).
  public init(
    annotationID: Int, imageID: Int, categoryID: Int, tokens: TokenCounts, layers: Int, heads: Int,
    hi: [Double], chance: [Double], nosink: [Double], sinkShare: [Double]
  ) throws {
    func wrong(_ what: String) -> HeadImpactError { HeadImpactError("sample \(annotationID): \(what)") }
    guard Self.sizes.contains(layers), Self.sizes.contains(heads) else {
      throw wrong("\(layers) layers of \(heads) heads; each must be in \(Self.sizes)")
    }
    let counts = [
      ("sequence", tokens.sequence), ("visual", tokens.visual), ("caption", tokens.caption), ("mask", tokens.mask),
    ]
    for (name, count) in counts where !(0...Int(Int32.max)).contains(count) {
      throw wrong("\(count) \(name) tokens; must be in 0...\(Int32.max)")
    }
    let perMeasure = layers * heads
    let all = Measure.allCases.count * perMeasure
    let tables = [
      ("hi", hi, all), ("chance", chance, all), ("nosink", nosink, all), ("sinkShare", sinkShare, perMeasure),
    ]
    for (name, values, count) in tables {
      guard values.count == count else {
        throw wrong("\(name) has \(values.count) values; \(layers) layers of \(heads) heads make \(count)")
      }
      // Rounding may move a share slightly outside.
      if let at = values.firstIndex(where: { !($0 >= -1e-9 && $0 <= 1 + 1e-9) }) {
        throw wrong("\(name)[\(at)] is \(values[at]); must be in [0, 1]")
      }
    }
    self.annotationID = annotationID
    self.imageID = imageID
    self.categoryID = categoryID
    self.tokens = tokens
    self.layers = layers
    self.heads = heads
    self.hi = hi
    self.chance = chance
    self.nosink = nosink
    self.sinkShare = sinkShare
  }

  /// - Parameter impacts: of all heads of all layers.
  /// - Throws: as the other initialiser.
  public init(
    annotationID: Int, imageID: Int, categoryID: Int, tokens: TokenCounts, layers: Int, heads: Int,
    impacts: HeadImpacts
  ) throws {
    try self.init(
      annotationID: annotationID, imageID: imageID, categoryID: categoryID, tokens: tokens, layers: layers,
      heads: heads, hi: impacts.hi, chance: impacts.chance, nosink: impacts.nosink, sinkShare: impacts.sinkShare)
  }

  /// `hi` corrected for chance; nil where chance is 1.
  ///
  /// - Shape: [measure, layers, heads]
  /// - Throws: `HeadImpactError` if a value is further below chance than any can be, chance being its mean over shifts.
  public func corrected() throws -> [Double?] {
    try hi.indices.map { i in
      guard let value = correctedForChance(hi[i], chance: chance[i]) else { return nil }
      guard value >= -ExactSum.greatestMagnitude else {
        throw HeadImpactError(
          "sample \(annotationID): hi[\(i)] is \(hi[i]), and chance[\(i)] \(chance[i]) is not a mean of such values")
      }
      return value
    }
  }

  /// What a number of layers, and of heads in a layer, may be.
  static let sizes = 1...65_536
}
