import Kernels

/// The scratch of a pass, forward or back, reused by every layer.
final class Workspace {
  var normed = AlignedBuffer<Float>()
  var queries = AlignedBuffer<Float>()
  var keys = AlignedBuffer<Float>()
  var values = AlignedBuffer<Float>()
  var attentionOutput = AlignedBuffer<Float>()
  var attention = AlignedBuffer<Float>()
  var gate = AlignedBuffer<Float>()
  var up = AlignedBuffer<Float>()
  var adaptation = AdaptationScratch()
  var dropped = AlignedBuffer<Float>()
  var gradient = AlignedBuffer<Float>()
  var someGradient = AlignedBuffer<Float>()
  var dropoutGradient = AlignedBuffer<Float>()

  /// Rows of a gated or plain MLP that are computed at a time: enough for the matrix products to run at their full
  /// rate, few enough for the intermediate activations of a large image to stay small.
  static let mlpRows = 2048
}

/// The rows of a matrix of activations, shown to an observer; valid during the call.
///
/// - Shape: [rows, columns].
public struct ActivationView {
  public let base: UnsafePointer<Float>
  public let rows: Int
  public let columns: Int

  public init(base: UnsafePointer<Float>, rows: Int, columns: Int) {
    self.base = base
    self.rows = rows
    self.columns = columns
  }

  /// A copy, row after row.
  public func floats() -> [Float] { Array(UnsafeBufferPointer(start: base, count: rows * columns)) }
}

/// The points of a forward pass where an observer may look. With no observer a tap costs nothing.
public struct Taps {
  /// After each layer: its index and its output. A thrown error ends the pass.
  public var hiddenState: ((_ layer: Int, _ rows: ActivationView) throws -> Void)?
  /// The attention weights of the observed rows of each layer, after the softmax (see `AttentionWeightsTap` for the
  /// threads that it is called on).
  public var attentionWeights:
    ((_ layer: Int, _ span: Int, _ head: Int, _ row: Int, _ weights: UnsafeBufferPointer<Float>) -> Void)?

  public init(
    hiddenState: ((Int, ActivationView) throws -> Void)? = nil,
    attentionWeights: ((Int, Int, Int, Int, UnsafeBufferPointer<Float>) -> Void)? = nil
  ) {
    self.hiddenState = hiddenState
    self.attentionWeights = attentionWeights
  }
}
