import ImageInput
import Kernels

/// What joins Gemma 3's tower and decoder: the averages of blocks of patches, a norm, and a matrix that gives them the decoder's
/// width (`Gemma3MultiModalProjector` of transformers).
final class Gemma3Projector {
  /// Patches along the side of the image, and of a block of them.
  private let patchesASide: Int
  private let poolSize: Int
  private let norm: Norm
  /// As the file has it. - Shape: [width of the tower, C].
  private let matrix: Tensor
  private let backend: any Backend
  private let pooled = ScratchTensor()

  /// Takes the tensors out of a loader, whose `finish` says what is wrong with them.
  init(_ loader: WeightLoader, _ configuration: Gemma3Configuration, backend: any Backend) {
    let (vision, prefix) = (configuration.vision, "model.multi_modal_projector.")
    patchesASide = vision.patchesASide
    poolSize = configuration.poolSize
    self.backend = backend
    norm = loader.norm(
      .rms, prefix + "mm_soft_emb_norm", count: vision.hiddenSize, eps: vision.layerNormEps, weightOffset: 1)
    matrix = loader.matrix(
      prefix + "mm_input_projection_weight", rows: vision.hiddenSize, columns: configuration.text.hiddenSize)
  }

  /// - Shape: patches [patches of the image, width of the tower], row by row; the result [visual tokens, C].
  /// - Throws: what the backend throws.
  func features(_ patches: Tensor) throws -> Tensor {
    let block = poolSize * poolSize
    let rows = pooled.reserving(rows: patches.rows / block, columns: patches.columns, on: backend)
    let indices = PatchGrid(rows: patchesASide, columns: patchesASide).order(inBlocksOf: poolSize).map {
      $0.row * patchesASide + $0.column
    }
    backend.mixRows(
      patches, indices: indices, weights: [Float](repeating: 1 / Float(block), count: indices.count), taps: block,
      into: rows)
    backend.normalize(rows, norm, groups: 1, into: rows)
    let features = backend.tensor(rows: rows.rows, columns: matrix.columns)
    // The file's matrix is [in, out]: the transpose of a linear layer's, which a gradient is multiplied by.
    try backend.withOperand(rows) {
      try backend.applyBackward(Linear(weight: matrix), to: $0, into: features, accumulate: false)
    }
    return features
  }
}
