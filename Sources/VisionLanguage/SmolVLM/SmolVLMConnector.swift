import Kernels

/// What joins SmolVLM's tower and decoder: blocks of neighbouring patches become one row each (pixel shuffle), and a linear
/// layer gives it the decoder's width.
final class SmolVLMConnector {
  /// Patches along the side of a view, and of a block of them.
  private let patchesASide: Int
  private let scaleFactor: Int
  private let projection: Linear
  private let backend: any Backend
  private let shuffled = ScratchTensor()

  /// Takes the tensor out of a loader, whose `finish` says what is wrong with it.
  init(_ loader: WeightLoader, _ configuration: SmolVLMConfiguration, backend: any Backend) {
    patchesASide = configuration.vision.patchesASide
    scaleFactor = configuration.scaleFactor
    self.backend = backend
    projection = loader.linear(
      "model.connector.modality_projection.proj", outputs: configuration.text.hiddenSize,
      inputs: configuration.shuffledWidth, hasBias: false)
  }

  /// - Shape: patches [views · patches of a view, width], row by row in each view; the result [image tokens, C].
  /// - Throws: what the backend throws.
  func features(_ patches: Tensor) throws -> Tensor {
    let views = patches.rows / (patchesASide * patchesASide)
    let block = scaleFactor * scaleFactor
    let rows = shuffled.reserving(rows: patches.rows, columns: patches.columns, on: backend)
    backend.gather(patches, Self.order(views: views, patchesASide: patchesASide, scaleFactor: scaleFactor), into: rows)
    let features = backend.tensor(rows: patches.rows / block, columns: projection.outputs)
    let blocks = rows.reshaped(rows: features.rows, columns: block * patches.columns)
    try backend.withOperand(blocks) { try backend.apply(projection, to: $0, into: features, accumulate: false) }
    return features
  }

  /// The patches in the order of the blocks: block by block, row by row, and row by row in each block.
  static func order(views: Int, patchesASide side: Int, scaleFactor: Int) -> [Int] {
    let grid = PatchGrid(rows: side, columns: side)
    return (0..<views).flatMap { view in
      grid.order(inBlocksOf: scaleFactor).map { view * grid.count + $0.row * side + $0.column }
    }
  }
}
