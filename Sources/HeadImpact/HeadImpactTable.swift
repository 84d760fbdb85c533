/// Head Impact of every layer and head over a dataset.
public struct HeadImpactTable: Sendable, Equatable {
  public var measures: [Measure] { Measure.allCases }
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  /// How many samples the means are over.
  public let samples: Int
  /// - Shape: [measure, layer, head]; so too the next three.
  public let hi: [Double]
  /// The standard error of `hi`: sample standard deviation (n - 1) over the square root of n. NaN for one sample.
  public let stderr: [Double]
  public let chance: [Double]
  public let nosink: [Double]
  /// - Shape: [layer, head]
  public let sinkShare: [Double]
  /// Corrected for chance; nil where a file of version 1 doesn't say.
  public let corrected: CorrectedImpact?

  /// - Throws: `HeadImpactError` if a table's size isn't what layers and heads make.
  public init(
    layers: Int, heads: Int, samples: Int, hi: [Double], stderr: [Double], chance: [Double], nosink: [Double],
    sinkShare: [Double],
    corrected: CorrectedImpact? = nil
  ) throws {
    guard SampleImpact.sizes.contains(layers), SampleImpact.sizes.contains(heads), samples >= 0 else {
      throw HeadImpactError(
        "\(layers) layers of \(heads) heads over \(samples) samples; layers and heads must be in \(SampleImpact.sizes)")
    }
    let all = Measure.allCases.count * layers * heads
    var tables = [
      ("hi", hi.count, all), ("hi_stderr", stderr.count, all), ("hi_chance", chance.count, all),
      ("hi_nosink", nosink.count, all), ("sink_share", sinkShare.count, layers * heads),
    ]
    if let corrected {
      tables += [
        ("hi_corrected", corrected.hi.count, all), ("hi_corrected_stderr", corrected.stderr.count, all),
        ("hi_corrected_samples", corrected.samples.count, all),
      ]
    }
    for (name, count, expected) in tables where count != expected {
      throw HeadImpactError("\(name) has \(count) values; \(layers) layers of \(heads) heads make \(expected)")
    }
    self.layers = layers
    self.heads = heads
    self.samples = samples
    self.hi = hi
    self.stderr = stderr
    self.chance = chance
    self.nosink = nosink
    self.sinkShare = sinkShare
    self.corrected = corrected
  }

  /// Where a measure's value of a head lies in `hi`, `stderr`, `chance` and `nosink`.
  public func index(_ measure: Measure, layer: Int, head: Int) -> Int {
    (measure.index * layers + layer) * heads + head
  }

  /// HI of a layer: the mean of its heads.
  public func layerScore(_ measure: Measure, layer: Int) -> Double {
    let first = index(measure, layer: layer, head: 0)
    return hi[first..<(first + heads)].reduce(0, +) / Double(heads)
  }
}
