/// How an image's 8-bit values become a vision tower's numbers: (value · rescale − mean) / deviation, of each channel.
struct PixelNormalization: Sendable, Equatable {
  /// Red, green, blue.
  let mean: [Double]
  let deviation: [Double]
  let rescaleFactor: Double
  let doRescale: Bool
  let doNormalize: Bool

  /// What a preprocessor_config.json says, or the defaults where it says nothing.
  ///
  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile, mean: [Double], deviation: [Double]) throws {
    try file.refuseNull(["image_mean", "image_std", "rescale_factor", "do_rescale", "do_normalize"])
    self.mean = try file.channels("image_mean") ?? mean
    self.deviation = try file.channels("image_std") ?? deviation
    guard self.deviation.allSatisfy({ Float($0) != 0 }) else {
      throw file.wrong("image_std", "is \(self.deviation): it must be three numbers that are not 0")
    }
    rescaleFactor = try file.double("rescale_factor", in: -1e30...1e30, default: 1.0 / 255)
    doRescale = try file.boolean("do_rescale", default: true)
    doNormalize = try file.boolean("do_normalize", default: true)
  }

  /// What each of the 256 values becomes: rescaled in double precision, normalised in single, as NumPy does it in
  /// transformers.
  ///
  /// - Shape: 3 × [256].
  func tables() -> [[Float]] {
    (0..<3).map { channel in
      (0..<256).map { value in
        let rescaled = doRescale ? Float(Double(value) * rescaleFactor) : Float(value)
        return doNormalize ? (rescaled - Float(mean[channel])) / Float(deviation[channel]) : rescaled
      }
    }
  }
}

extension ConfigurationFile {
  /// transformers takes null for some keys as it stands, which means no such step or an error.
  ///
  /// - Throws: `ConfigurationError` if one of the keys is there and null.
  func refuseNull(_ keys: [String]) throws {
    for key in keys where holds(key) && !has(key) {
      throw wrong(key, "is null: give a value, or leave the key out for the default")
    }
  }

  /// A number for each channel, or one for all; nil if the key is absent.
  fileprivate func channels(_ key: String) throws -> [Double]? {
    guard let numbers = try numbers(key, in: -1e30...1e30) else { return nil }
    if numbers.count == 1 { return [Double](repeating: numbers[0], count: 3) }
    guard numbers.count == 3 else { throw wrong(key, "is \(numbers): it must be three numbers, or one for all") }
    return numbers
  }
}
