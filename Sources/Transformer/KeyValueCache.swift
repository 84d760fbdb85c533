import TensorCore

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

  /// Copies rows to another place in every layer: a hypothesis that goes on in two ways needs its rows twice.
  public func copy(_ rows: Range<Int>, to start: Int) {
    precondition(rows.upperBound <= capacity && start + rows.count <= capacity && start >= 0)
    for block in 0..<2 * layers {
      at(block, start).update(from: at(block, rows.lowerBound), count: rows.count * width)
    }
  }

  func keys(layer: Int, row: Int = 0) -> UnsafeMutablePointer<Float> { at(2 * layer, row) }
  func values(layer: Int, row: Int = 0) -> UnsafeMutablePointer<Float> { at(2 * layer + 1, row) }

  private func at(_ block: Int, _ row: Int) -> UnsafeMutablePointer<Float> {
    precondition(block < 2 * layers && row <= capacity)
    return storage.base + (block * capacity + row) * width
  }
}
