import Kernels

/// The keys and values that each decoder layer has computed.
///
/// - Shape: per layer keys and values [capacity, keyValueHeads · D].
public final class KeyValueCache {
  private var storage: AlignedBuffer<Float>
  private var layers = 0
  private var capacity = 0
  private var width = 0

  /// An empty cache; `reserve` gives it room.
  public init() { storage = AlignedBuffer() }

  /// Room for `rows` rows in each layer. What the cache held is lost.
  public func reserve(layers: Int, rows: Int, width: Int) {
    storage.reserve(2 * layers * rows * width)
    (self.layers, capacity, self.width) = (layers, rows, width)
  }

  /// Whether a pass of so many layers, after which the cache holds `rows` rows, stays inside it.
  func hasRoom(layers: Int, rows: Int, width: Int) -> Bool {
    layers <= self.layers && rows <= capacity && width == self.width
  }

  func keys(layer: Int, row: Int = 0) -> UnsafeMutablePointer<Float> { at(2 * layer, row) }
  func values(layer: Int, row: Int = 0) -> UnsafeMutablePointer<Float> { at(2 * layer + 1, row) }

  /// Copies rows of every layer to other ones; the two may not overlap.
  public func copy(rows: Int, from source: Int, to target: Int) {
    precondition(source + rows <= capacity && target + rows <= capacity)
    guard source != target else { return }
    for block in 0..<2 * layers { at(block, target).update(from: at(block, source), count: rows * width) }
  }

  private func at(_ block: Int, _ row: Int) -> UnsafeMutablePointer<Float> {
    precondition(block < 2 * layers && row <= capacity)
    return storage.base + (block * capacity + row) * width
  }
}
