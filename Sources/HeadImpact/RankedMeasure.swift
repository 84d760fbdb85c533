/// What heads are ranked by: a measure, as it is or corrected for chance.
public struct RankedMeasure: Sendable, Hashable {
  public var measure: Measure
  /// Whether each sample's value is corrected: `(value - chance) / (1 - chance)`.
  public var isCorrected: Bool

  public init(_ measure: Measure, isCorrected: Bool = false) {
    self.measure = measure
    self.isCorrected = isCorrected
  }

  /// The default of rankings.
  public static let matched = RankedMeasure(.matched)

  /// For file names and keys: `matched`, `matched-corrected`.
  public var key: String { isCorrected ? "\(measure.rawValue)-corrected" : measure.rawValue }
}

/// For people: `matched`, `matched, corrected`.
extension RankedMeasure: CustomStringConvertible {
  public var description: String { isCorrected ? "\(measure.rawValue), corrected" : measure.rawValue }
}

/// Corrects one sample's value for chance: 0 at chance, 1 where it is perfect, whatever the object's size.
///
/// - Returns: `(value - chance) / (1 - chance)`; nil where chance is 1 (but for rounding): whatever the attention, the
///   sample gives 1, so it says nothing of the head.
@inline(__always)
public func correctedForChance(_ value: Double, chance: Double) -> Double? {
  let room = 1 - chance
  return room > 1e-9 ? (value - chance) / room : nil
}
