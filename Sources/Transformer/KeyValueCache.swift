import Kernels

/// The keys and values that each decoder layer has computed.
///
/// - Shape: per layer keys and values [capacity, keyValueHeads · D].
public final class KeyValueCache {
  private let backend: any Backend
  private let storage = ScratchTensor()
  private var layers = 0
  private var capacity = 0
  private var width = 0

  /// An empty cache; `reserve` gives it room.
  public init(on backend: any Backend) { self.backend = backend }

  /// Room for `rows` rows in each layer. What the cache held is lost.
  public func reserve(layers: Int, rows: Int, width: Int) {
    _ = storage.reserving(rows: 2 * layers * rows, columns: width, on: backend)
    (self.layers, capacity, self.width) = (layers, rows, width)
  }

  /// Whether a pass of so many layers, after which the cache holds `rows` rows, stays inside it.
  func hasRoom(layers: Int, rows: Int, width: Int) -> Bool {
    layers <= self.layers && rows <= capacity && width == self.width
  }

  /// - Shape: [capacity, width].
  func keys(layer: Int) -> Tensor { block(2 * layer) }
  /// - Shape: [capacity, width].
  func values(layer: Int) -> Tensor { block(2 * layer + 1) }

  /// Copies rows of every layer to other ones; the two may not overlap.
  public func copy(rows: Int, from source: Int, to target: Int) {
    guard source != target else { return }
    for index in 0..<2 * layers {
      let block = block(index)
      backend.copy(block.rows(source..<source + rows), to: block.rows(target..<target + rows))
    }
  }

  private func block(_ index: Int) -> Tensor {
    precondition(index < 2 * layers)
    return storage.tensor(rows: 2 * layers * capacity, columns: width).rows(index * capacity..<(index + 1) * capacity)
  }
}
