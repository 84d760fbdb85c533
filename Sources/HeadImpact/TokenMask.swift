import COCO

/// Which visual tokens the object covers: the mask that a head's attention is compared with.
public struct TokenMask: Sendable, Equatable {
  /// - Shape: [V]
  public let isObject: [Bool]
  /// k: how many visual tokens the object covers; at least 1.
  public let count: Int

  /// The tokens whose cell is covered to more than `threshold`; if none is, those covered most.
  /// - Throws: `UnusableSample.maskTouchesNoVisualToken` if no cell is touched at all.
  public init(of mask: BinaryMask, cells: [Cell], threshold: Double = 0.5) throws {
    let coverage = cells.map { $0.coverage(by: mask) }
    let chosen = coverage.map { $0 > threshold }
    if chosen.contains(true) {
      try self.init(chosen)
    } else {
      let greatest = coverage.max() ?? 0
      try self.init(coverage.map { $0 > 0 && $0 == greatest })
    }
  }

  /// - Parameter isObject: [V], one value per visual token.
  /// - Throws: `UnusableSample.maskTouchesNoVisualToken` if no value is true.
  public init(_ isObject: [Bool]) throws {
    self.isObject = isObject
    count = isObject.count { $0 }
    if count == 0 { throw UnusableSample.maskTouchesNoVisualToken }
  }
}
