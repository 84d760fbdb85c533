import Kernels

/// The scratch of a pass, forward or back, reused by every layer.
final class Workspace {
  let normed = ScratchTensor()
  let queries = ScratchTensor()
  let keys = ScratchTensor()
  let values = ScratchTensor()
  let attentionOutput = ScratchTensor()
  let gate = ScratchTensor()
  let up = ScratchTensor()
  /// What attention or MLP give before it is normed or scaled and added to the stream.
  let branch = ScratchTensor()
  let normedBranch = ScratchTensor()
  /// Of products with DoRA's scales.
  let scaled = ScratchTensor()
  let dropped = ScratchTensor()
  /// Rows that are added behind a layer.
  let added = ScratchTensor()
  let gradient = ScratchTensor()
  let someGradient = ScratchTensor()
  let streamGradient = ScratchTensor()
  let queryNormGradient = ScratchTensor()
  let keyNormGradient = ScratchTensor()
  let dropoutGradient = ScratchTensor()
  let magnitudeGradient = ScratchTensor()

  /// Rows of a gated or plain MLP that are computed at a time: enough for the matrix products to run at their full
  /// rate, few enough for the intermediate activations of a large image to stay small.
  static let mlpRows = 2048
}

/// The points of a forward pass where an observer may look. With no observer a tap costs nothing.
public struct Taps {
  /// After each layer: its index and its output, [rows, C], with what is added to the stream behind the layer. Valid
  /// during the call. A thrown error ends the pass. Long passes do here what can't wait for their end: a rank answers
  /// MPI messages.
  public var afterLayer: ((_ layer: Int, _ rows: Tensor) throws -> Void)?
  /// Asked before each layer's attention: where the weights of its observed rows are added up; nil if they are not
  /// wanted.
  public var attentionSums: ((_ layer: Int) -> AttentionSums?)?
  /// After each layer's attention: what its heads give, side by side, [rows, H · D], before the output projection. Valid
  /// during the call.
  public var headOutputs: ((_ layer: Int, _ rows: Tensor) -> Void)?

  public init(
    afterLayer: ((Int, Tensor) throws -> Void)? = nil, attentionSums: ((Int) -> AttentionSums?)? = nil,
    headOutputs: ((Int, Tensor) -> Void)? = nil
  ) {
    self.afterLayer = afterLayer
    self.attentionSums = attentionSums
    self.headOutputs = headOutputs
  }
}

extension Tensor {
  /// Some consecutive numbers of a flat buffer, as a matrix that shares their memory.
  func part(_ range: Range<Int>, rows: Int, columns: Int) -> Tensor {
    precondition(range.count == rows * columns)
    return reshaped(rows: count, columns: 1).rows(range).reshaped(rows: rows, columns: columns)
  }
}

extension [RotaryAngles] {
  /// Some consecutive rows of every table.
  public func rows(_ range: Range<Int>) -> [RotaryAngles] { map { $0.rows(range) } }

  /// Some rows of every table, in the order given.
  func rows(_ indices: [Int]) -> [RotaryAngles] { map { $0.rows(indices) } }

  /// Adds the rows of `other` behind these, table by table.
  public mutating func append(_ other: [RotaryAngles]) {
    precondition(other.count == count)
    for index in indices { self[index].append(other[index]) }
  }
}
