/// A linear layer's weight, or an embedding table, as it lies in its file.
///
/// - Shape: [rows, columns], row-major: [out, in] for a linear layer, [vocabulary, C] for an embedding.
///
/// The memory may start at any byte: the files that it lies in needn't align their tensors.
///
/// `@unchecked Sendable` invariant: `base` points into memory that `owner` keeps alive and that nobody writes.
public struct WeightMatrix: @unchecked Sendable {
  private let owner: any AnyObject & Sendable
  public let base: UnsafeRawPointer
  public let elementType: ElementType
  public let rows: Int
  public let columns: Int

  /// - Parameter owner: what keeps the memory at `base` alive and unchanged.
  public init(
    owner: any AnyObject & Sendable, base: UnsafeRawPointer, elementType: ElementType, rows: Int, columns: Int
  ) {
    self.owner = owner
    self.base = base
    self.elementType = elementType
    self.rows = rows
    self.columns = columns
  }

  /// Whether `base` suits the element type. Files don't promise it: whoever reads elements where they lie must ask.
  public var isAligned: Bool { UInt(bitPattern: base).isMultiple(of: UInt(elementType.byteCount)) }

  /// Some consecutive rows: a part of a fused projection, for one.
  public func rows(_ range: Range<Int>) -> WeightMatrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    return WeightMatrix(
      owner: owner, base: base + range.lowerBound * columns * elementType.byteCount, elementType: elementType,
      rows: range.count, columns: columns)
  }
}
