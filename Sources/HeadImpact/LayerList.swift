/// Layers as people name them, from 0: `all`, `3,5`, `1-3`, `0-2,14`.
public struct LayerList: Sendable, Equatable, CustomStringConvertible {
  /// In the order named; nil for all.
  private let ranges: [ClosedRange<Int>]?

  /// Every layer of the model.
  public static let all = LayerList(ranges: nil)

  /// These layers, in this order.
  public init(_ layers: [Int]) { self.init(ranges: layers.map { $0...$0 }) }

  private init(ranges: [ClosedRange<Int>]?) { self.ranges = ranges }

  /// - Throws: `HeadImpactError` quoting the part that is neither a layer nor a range.
  public init(parsing text: String) throws {
    let text = text.trimmed
    if text == "all" {
      self = .all
      return
    }
    ranges = try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let ends = String(part).trimmed.split(separator: "-", omittingEmptySubsequences: false).map { Self.number($0) }
      guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil else {
        throw HeadImpactError("\"\(part)\" is not a layer or a range of layers; write e.g. 14,15, 1-3 or all")
      }
      guard first <= last else {
        throw HeadImpactError("\"\(part)\" is a range that ends before it begins; write \(last)-\(first)")
      }
      return first...last
    }
  }

  /// Digits alone: Int's own reader takes signs too.
  private static func number(_ text: Substring) -> Int? {
    let text = String(text).trimmed
    return text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) ? Int(text) : nil
  }

  /// The layers of a model, in the order named; one that is named twice occurs twice.
  ///
  /// - Parameter count: how many layers the model has.
  /// - Throws: `HeadImpactError` naming the first layer that isn't there.
  public func layers(of count: Int) throws -> [Int] {
    guard let ranges else { return Array(0..<count) }
    for range in ranges where range.upperBound >= count {
      throw HeadImpactError(
        "there is no layer \(max(range.lowerBound, count)): the model has \(count), numbered from 0")
    }
    return ranges.flatMap { Array($0) }
  }

  public var description: String {
    guard let ranges else { return "all" }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }
}

extension String {
  /// Without spaces at either end.
  fileprivate var trimmed: String {
    let start = drop { $0 == " " || $0 == "\t" }
    let end = start.lastIndex { $0 != " " && $0 != "\t" }
    return end.map { String(start[...$0]) } ?? ""
  }
}
