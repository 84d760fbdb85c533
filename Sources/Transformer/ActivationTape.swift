import Kernels

/// What a training pass leaves for its backward pass: the activations of each layer that a gradient needs. Filled by
/// `DecoderStack.forward`, used up by `DecoderStack.backward`.
public final class ActivationTape {
  /// Elements of an adapter's inputs that this pass leaves out (LoRA's dropout).
  public struct Dropout: Sendable {
    public let rate: Float
    /// One a row of the pass: which elements go depends on it, the layer and the column.
    public let rowKeys: [UInt64]

    public init(rate: Float, rowKeys: [UInt64]) {
      self.rate = rate
      self.rowKeys = rowKeys
    }
  }

  /// One layer's activations. What a layer has no part for stays empty.
  final class Record {
    /// The residual stream before the layer. - Shape: [T, C]
    let input = ScratchTensor()
    /// The residual stream after the attention, of the rows whose output matters. - Shape: [N, C]
    let postAttention = ScratchTensor()
    /// Before their norm. - Shape: [N, H · D]
    let rawQueries = ScratchTensor()
    /// Before their norm. - Shape: [T, K · D]
    let rawKeys = ScratchTensor()
    /// After the rotary embedding. - Shape: [N, H · D]
    let queries = ScratchTensor()
    /// The attention's output before its projection. - Shape: [N, H · D]
    let attentionOutput = ScratchTensor()
    /// What the attention gives before the norm behind it. - Shape: [N, C]
    let attentionBranch = ScratchTensor()
    /// Before the activation. - Shape: [N, F]
    let gate = ScratchTensor()
    /// Without a gate, before the activation. - Shape: [N, F]
    let up = ScratchTensor()
    /// What the MLP gives before the norm behind it. - Shape: [N, C]
    let feedForwardBranch = ScratchTensor()
  }

  private var records: [Int: Record] = [:]
  /// The layers of the pass that was recorded.
  var layers = 0..<0
  var layout = SequenceLayout(newPrefix: 0)
  var angles: [RotaryAngles]?
  public var dropout: Dropout?

  /// An empty tape; a pass makes the room it needs, and the next one uses it again.
  public init() {}

  func record(of layer: Int) -> Record {
    if let record = records[layer] { return record }
    let record = Record()
    records[layer] = record
    return record
  }
}
