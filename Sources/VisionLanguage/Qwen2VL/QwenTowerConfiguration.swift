import ImageInput
import Kernels

/// What the vision towers of Qwen2-VL and Qwen2.5-VL are made of.
struct QwenTowerConfiguration: Sendable, Equatable {
  let depth: Int
  let width: Int
  let heads: Int
  let intermediateSize: Int
  /// Width of a visual token: the decoder's.
  let outputSize: Int
  /// - Units: pixels.
  let patchSize: Int
  /// The frames a patch spans.
  let temporalPatchSize: Int
  /// The side of the block of patches that becomes one visual token.
  let spatialMergeSize: Int
  var norm = Norm.Kind.layer
  /// Whether an MLP is gated (SiLU); without a gate it has quick GELU.
  var isGated = false
  /// nil where every patch sees all patches in every layer.
  var windows: AttentionWindows?

  var headDim: Int { width / heads }
  /// Numbers of one flattened patch.
  var patchWidth: Int { 3 * temporalPatchSize * patchSize * patchSize }
  /// Width of a merged block of patches.
  var mergedWidth: Int { width * spatialMergeSize * spatialMergeSize }

  var cost: ModelDimensions.Vision {
    let windowedLayers = windows.map { windows in (0..<depth).count { !windows.fullLayers.contains($0) } }
    return ModelDimensions.Vision(
      layers: depth, width: width, intermediateSize: intermediateSize, patchWidth: patchWidth,
      connectorMultiplications: width * mergedWidth + width * outputSize, isGated: isGated,
      windowedLayers: windowedLayers ?? 0,
      windowPatches: windows.map { $0.side * $0.side * spatialMergeSize * spatialMergeSize } ?? 0)
  }
}

/// Square windows of an image outside of which a patch sees nothing, in most layers of the tower (Qwen2.5-VL; transformers:
/// `get_vision_window_index`).
struct AttentionWindows: Sendable, Equatable {
  /// Merge blocks along a side. Windows begin at the top left, so those at the right and the bottom may be smaller.
  let side: Int
  /// The layers where a patch sees all patches.
  let fullLayers: Set<Int>

  /// The merge blocks of an image window by window, and the part of each window.
  ///
  /// - Parameter blocks: merge blocks down and across.
  /// - Returns: order: of the blocks, counted row by row; windows and the blocks of each row by row. windows: ranges of order.
  func division(of blocks: PatchGrid) -> (order: [Int], windows: [Range<Int>]) {
    let order = blocks.order(inBlocksOf: side).map { $0.row * blocks.columns + $0.column }
    var windows: [Range<Int>] = []
    for row in stride(from: 0, to: blocks.rows, by: side) {
      for column in stride(from: 0, to: blocks.columns, by: side) {
        let start = windows.last?.upperBound ?? 0
        windows.append(start..<start + min(side, blocks.rows - row) * min(side, blocks.columns - column))
      }
    }
    return (order, windows)
  }
}
