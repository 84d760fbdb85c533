import ImageInput
import Kernels

/// What gives a tower's features the decoder's width:
///
///     outer(gelu(inner(norm(x))))
///
/// where what is nil is left out. Blocks of patches that become one visual token are rows of x.
final class Projector {
  let norm: Norm?
  let inner: Linear
  /// Behind the exact GELU; nil for one linear layer.
  let outer: Linear?
  private let backend: any Backend
  private let normed = ScratchTensor()
  private let middle = ScratchTensor()

  init(norm: Norm? = nil, _ inner: Linear, _ outer: Linear? = nil, backend: any Backend) {
    precondition(outer == nil || outer?.inputs == inner.outputs)
    (self.norm, self.inner, self.outer) = (norm, inner, outer)
    self.backend = backend
  }

  /// - Shape: x [rows, inputs]; the result [rows, C], which is the caller's to keep.
  /// - Throws: what the backend throws.
  func features(_ x: Tensor) throws -> Tensor {
    var input = x
    if let norm {
      input = normed.reserving(rows: x.rows, columns: x.columns, on: backend)
      backend.normalize(x, norm, groups: 1, into: input)
    }
    let features = backend.tensor(rows: x.rows, columns: (outer ?? inner).outputs)
    guard let outer else {
      try backend.withOperand(input) { try backend.apply(inner, to: $0, into: features, accumulate: false) }
      return features
    }
    let middle = middle.reserving(rows: x.rows, columns: inner.outputs, on: backend)
    try backend.withOperand(input) { try backend.apply(.gelu, gate: nil, up: inner, to: $0, into: middle) }
    try backend.withOperand(middle) { try backend.apply(outer, to: $0, into: features, accumulate: false) }
    return features
  }
}

/// Blocks of neighbouring patches become one row each (pixel shuffle, Shi et al. 2016, arXiv 1609.05158).
final class PixelShuffle {
  /// Patches along the side of a view, and of a block of them.
  private let patchesASide: Int
  private let factor: Int
  private let backend: any Backend
  private let shuffled = ScratchTensor()

  init(patchesASide: Int, factor: Int, backend: any Backend) {
    precondition(patchesASide.isMultiple(of: factor))
    (self.patchesASide, self.factor, self.backend) = (patchesASide, factor, backend)
  }

  /// - Shape: patches [views · patches of a view, C], row by row in each view; the result [blocks, factor² · C], in the order of
  ///   the blocks, which the next call may overwrite.
  func callAsFunction(_ patches: Tensor) -> Tensor {
    let rows = shuffled.reserving(rows: patches.rows, columns: patches.columns, on: backend)
    let views = patches.rows / (patchesASide * patchesASide)
    backend.gather(patches, Self.order(views: views, patchesASide: patchesASide, factor: factor), into: rows)
    return rows.reshaped(rows: patches.rows / (factor * factor), columns: factor * factor * patches.columns)
  }

  /// The patches in the order of the blocks: block by block, row by row, and row by row in each block.
  static func order(views: Int, patchesASide side: Int, factor: Int) -> [Int] {
    let grid = PatchGrid(rows: side, columns: side)
    return (0..<views).flatMap { view in
      grid.order(inBlocksOf: factor).map { view * grid.count + $0.row * side + $0.column }
    }
  }
}
