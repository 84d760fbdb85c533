/// Where a tensor's numbers lie.
public enum Device: Sendable, Equatable {
  /// The memory of this process.
  case cpu
}

/// A matrix of numbers on a device: weights, activations, caches, gradients. A handle: copies share the memory, which
/// lives as long as one of them does.
///
/// Nobody above `Kernels` sees a pointer: a `Backend` reads and writes the numbers.
///
/// - Shape: [rows, columns], row-major: [out, in] for a linear layer, [vocabulary, C] for an embedding, [T, C] for
///   hidden states; a vector is one row.
///
/// The memory of weights may start at any byte: the files that they lie in need not align their tensors.
///
/// `@unchecked Sendable` invariant: `base` points into memory that `owner` keeps alive; what several threads share
/// (weights) is not written, and what is written belongs to the one thread that its backend is used by.
public struct Tensor: @unchecked Sendable {
  private let owner: any AnyObject & Sendable
  /// The first byte. For the kernels alone: who holds a pointer doesn't hold the memory.
  let base: UnsafeRawPointer
  public let elementType: ElementType
  public let device = Device.cpu
  public let rows: Int
  public let columns: Int

  /// The door for mapped files: weights stay where they lie.
  ///
  /// - Parameter owner: what keeps the memory at `base` alive.
  public init(
    owner: any AnyObject & Sendable, base: UnsafeRawPointer, elementType: ElementType, rows: Int, columns: Int
  ) {
    self.owner = owner
    self.base = base
    self.elementType = elementType
    self.rows = rows
    self.columns = columns
  }

  /// A float32 tensor in the memory of this process, with these values.
  ///
  /// - Shape: [rows, values.count / rows]
  public init(_ values: [Float], rows: Int = 1) {
    precondition(rows >= 0 && (rows == 0 ? values.isEmpty : values.count.isMultiple(of: rows)))
    self.init(rows: rows, columns: rows == 0 ? 0 : values.count / rows)
    values.withUnsafeBytes { if let from = $0.baseAddress { bytes.copyMemory(from: from, byteCount: $0.count) } }
  }

  /// A copy of numbers of any element type, at an address that suits them.
  ///
  /// - Parameter bytes: [rows, columns], row-major.
  public init(copying bytes: RawSpan, elementType: ElementType, rows: Int, columns: Int) {
    precondition(bytes.byteCount == rows * columns * elementType.byteCount)
    let memory = HostMemory(byteCount: bytes.byteCount)
    bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: memory.base, count: $0.count).copyMemory(from: $0) }
    self.init(
      owner: memory, base: UnsafeRawPointer(memory.base), elementType: elementType, rows: rows, columns: columns)
  }

  /// An uninitialised float32 tensor in the memory of this process. Backends make those that they compute with.
  init(rows: Int, columns: Int) {
    let memory = HostMemory(byteCount: 4 * rows * columns)
    self.init(
      owner: memory, base: UnsafeRawPointer(memory.base), elementType: .f32, rows: rows, columns: columns)
  }

  public var count: Int { rows * columns }

  /// Whether `base` suits the element type. Files don't promise it: whoever reads elements where they lie must ask.
  public var isAligned: Bool { UInt(bitPattern: base).isMultiple(of: UInt(elementType.byteCount)) }

  /// Some consecutive rows, sharing the memory: a part of a fused projection, or of a buffer.
  public func rows(_ range: Range<Int>) -> Tensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    return Tensor(
      owner: owner, base: base + range.lowerBound * columns * elementType.byteCount, elementType: elementType,
      rows: range.count, columns: columns)
  }

  /// The same memory, or its beginning, cut into other rows: neighbouring patches that become one row, for one.
  public func reshaped(rows: Int, columns: Int) -> Tensor {
    precondition(rows >= 0 && columns >= 0 && rows * columns <= count)
    return Tensor(owner: owner, base: base, elementType: elementType, rows: rows, columns: columns)
  }

  /// Whether both are the same rows of the same memory.
  public func isSame(as other: Tensor) -> Bool { base == other.base && rows == other.rows && columns == other.columns }

  /// The numbers, for the kernels of the CPU backend.
  var floatBase: UnsafeMutablePointer<Float> {
    precondition(elementType == .f32 && isAligned)
    return UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(to: Float.self)
  }

  private var bytes: UnsafeMutableRawPointer { UnsafeMutableRawPointer(mutating: base) }
}

/// Memory of one or more tensors.
///
/// `@unchecked Sendable` invariant: the pointer never changes; see `Tensor` for who writes what it points to.
private final class HostMemory: @unchecked Sendable {
  private let storage: AlignedBuffer<UInt8>
  var base: UnsafeMutableRawPointer { UnsafeMutableRawPointer(storage.base) }

  init(byteCount: Int) { storage = AlignedBuffer(count: byteCount) }
}

/// A tensor that is made again only where it must grow: the scratch of a pass, reused by every layer.
public final class ScratchTensor {
  private var storage: Tensor?

  public init() {}

  /// A tensor of this shape, its contents undefined. Those that it gave before may share its memory.
  public func reserving(rows: Int, columns: Int, on backend: any Backend) -> Tensor {
    if let storage, storage.count >= rows * columns { return storage.reshaped(rows: rows, columns: columns) }
    // The old memory goes first, so that both are never held.
    storage = nil
    let fresh = backend.tensor(rows: rows, columns: columns)
    storage = fresh
    return fresh
  }

  /// What `reserving` gave last, of this shape.
  public func tensor(rows: Int, columns: Int) -> Tensor {
    guard let storage else { preconditionFailure("nothing was reserved") }
    return storage.reshaped(rows: rows, columns: columns)
  }
}
