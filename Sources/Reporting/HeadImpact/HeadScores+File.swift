import HDF5Store
import HeadImpact

extension HeadScores {
  /// As a file has them.
  init(_ measure: Measure, _ reader: HeadImpactReader) {
    let table = reader.table
    let size = table.layers * table.heads
    let places = measure.index * size..<(measure.index + 1) * size
    self.measure = measure
    (layers, heads) = (table.layers, table.heads)
    pValues = reader.beyondChance.map { Array($0.corrected[places]) }
    correction = reader.beyondChance?.correction ?? .holm
    findings = reader.beyondChance.map { test in places.map { test.finding($0, in: table) } }
    if let corrected = table.corrected {
      isCorrected = true
      values = Array(corrected.hi[places])
      standardErrors = Array(corrected.stderr[places])
      (low, high) = Self.bounds(reader.correctedInterval, places)
    } else {
      isCorrected = false
      values = places.map { table.hi[$0] - table.chance[$0] }
      standardErrors = Array(table.stderr[places])
      let (low, high) = Self.bounds(reader.interval, places)
      self.low = zip(low, places).map { $0 - table.chance[$1] }
      self.high = zip(high, places).map { $0 - table.chance[$1] }
    }
  }

  /// - Parameter interval: [bound, measure, layer, head]
  private static func bounds(_ interval: [Double]?, _ places: Range<Int>) -> (low: [Double], high: [Double]) {
    guard let interval else {
      let none = [Double](repeating: .nan, count: places.count)
      return (none, none)
    }
    let half = interval.count / 2
    return (Array(interval[places]), Array(interval[(places.lowerBound + half)..<(places.upperBound + half)]))
  }
}
