/// The one door to arithmetic: who owns tensors and computes on them. `CPUBackend` is the first; another device is another
/// object behind the same operations, and nothing above changes.
///
/// Conventions of all operations:
/// - tensors of activations are float32, [rows, columns]; weights have any element type;
/// - an operation writes `into` a tensor whose shape says how many rows it computes, and adds where it says `accumulate`;
/// - input and output may be the same tensor only where that is said;
/// - shapes that don't fit are our own mistake (a precondition); what the device refuses is thrown;
/// - a result depends on the operation's inputs alone: not on threads, nor on what else runs.
///
/// One per model, used by one thread at a time.
public protocol Backend: AnyObject {
  var precision: Precision { get }

  // MARK: Tensors

  /// An uninitialised float32 tensor.
  func tensor(rows: Int, columns: Int) -> Tensor
  /// - Shape: [rows, values.count / rows]
  func tensor(_ values: [Float], rows: Int) -> Tensor
  /// A copy of the numbers, widened to float32, row after row.
  func read(_ x: Tensor) -> [Float]
  /// - Shape: values as many as x has.
  func write(_ values: [Float], to x: Tensor)
  /// Lends the numbers where they lie (or a copy that is written back): to MPI, to a file, to an optimiser.
  func withFloats<R>(of x: Tensor, _ body: (inout MutableSpan<Float>) throws -> R) rethrows -> R

  // MARK: Moving rows

  func zero(_ x: Tensor)
  /// y = x. - Shape: alike.
  func copy(_ x: Tensor, to y: Tensor)
  /// into[i] = x[indices[i]]; x of any element type, widened: rows of an embedding table, patches in another order.
  ///
  /// into may begin where x does if indices ascend and indices[i] >= i.
  func gather(_ x: Tensor, _ indices: [Int], into output: Tensor)
  /// output[indices[i]] = x[i], or += where it accumulates. No index twice.
  func scatter(_ x: Tensor, to indices: [Int], of output: Tensor, accumulate: Bool)
  /// Sets columns to 0 in every row: the attention output of ablated heads.
  func zero(columns: Range<Int>, of x: Tensor)
  /// y += x. - Shape: alike.
  func add(_ x: Tensor, to y: Tensor)
  /// x *= factor.
  func scale(_ x: Tensor, by factor: Float)
  /// output[i] += scaling · (B A)ᵀ[indices[i]]: a low-rank update of an embedding. - Shape: A [rank, vocabulary], B [C, rank].
  func addLowRankRows(_ factors: LowRankFactors, of indices: [Int], to output: Tensor)
  /// output[i] = Σ_k weights[i · taps + k] · x[indices[i · taps + k]]: bilinear interpolation of rows with 4 taps, averages with n.
  /// x may be of any element type.
  func mixRows(_ x: Tensor, indices: [Int], weights: [Float], taps: Int, into output: Tensor)

  // MARK: Matrix products

  /// Lends rows of activations as matrix products take them: rounded to bf16 in that precision.
  ///
  /// - Parameter body: mustn't lend another operand, nor change x.
  func withOperand<R>(_ x: Tensor, _ body: (borrowing Operand) throws -> R) rethrows -> R
  /// output (+)= x · Wᵀ + b. - Shape: x [rows, in], output [rows, out].
  func apply(_ layer: Linear, to x: borrowing Operand, into output: Tensor, accumulate: Bool) throws
  /// output = activation(gate(x)) · up(x), or activation(up(x)) without a gate: panel by panel, while it is in a cache. The bits are
  /// those of the operations one by one.
  ///
  /// - Shape: x [rows, in], output [rows, out].
  func apply(_ activation: Activation, gate: Linear?, up: Linear, to x: borrowing Operand, into output: Tensor) throws
  /// output (+)= dy · W. - Shape: dy [rows, out], output [rows, in].
  func applyBackward(_ layer: Linear, to dy: borrowing Operand, into output: Tensor, accumulate: Bool) throws
  /// y += scaling · B (A x), in float32 always. - Shape: x [rows, in], y [rows, out].
  func applyLowRank(_ factors: LowRankFactors, to x: Tensor, into y: Tensor) throws
  /// The gradients of A and B (added to dA, dB), and of x (added to dx), from dy.
  func lowRankBackward(_ factors: LowRankFactors, x: Tensor, dy: Tensor, dA: Tensor, dB: Tensor, dx: Tensor?) throws
  /// out = x with a share of its elements 0 and the others scaled up by as much; which ones depends on the row's key, the salt
  /// and the column alone. out may be x.
  func dropout(_ x: Tensor, rate: Float, rowKeys: [UInt64], salt: UInt64, into output: Tensor)
  /// output (+)= x · scale + bias, column by column: DoRA's magnitudes, layer scale. output may be x.
  func scaleColumns(_ x: Tensor, by scale: Tensor, bias: Tensor?, into output: Tensor, accumulate: Bool)
  /// sums[c] += Σ_r x[r, c] · y[r, c]: the gradient of what scales columns. - Shape: x and y alike, sums [1, columns].
  func addColumnDots(_ x: Tensor, _ y: Tensor, to sums: Tensor)
  /// ‖W + scaling · B A‖ of each row. - Shape: [out].
  func rowNorms(_ weight: Tensor, _ factors: LowRankFactors) throws -> [Float]
  /// ‖E + scaling · (B A)ᵀ‖ of each column of an embedding. - Shape: [C].
  func columnNorms(_ weight: Tensor, _ factors: LowRankFactors) throws -> [Float]

  // MARK: Rows

  /// output = norm(x), over the whole row, or over each of `groups` equal parts of it (q/k norm over D: groups = heads).
  /// output may be x.
  func normalize(_ x: Tensor, _ norm: Norm, groups: Int, into output: Tensor)
  /// dx += the gradient of normalize's input from dy; the norm's own weights are frozen and have none.
  func normalizeBackward(_ dy: Tensor, x: Tensor, _ norm: Norm, groups: Int, into dx: Tensor)
  /// x = activation(x).
  func activate(_ activation: Activation, _ x: Tensor)
  /// output = activation(gate) · up; output may be gate.
  func activate(_ activation: Activation, gate: Tensor, up: Tensor, into output: Tensor)
  /// x, what activate was given, becomes its gradient from dy.
  func activateBackward(_ activation: Activation, _ dy: Tensor, x: Tensor)
  /// gate and up each become their gradient from dy.
  func activateBackward(_ activation: Activation, _ dy: Tensor, gate: Tensor, up: Tensor)
  /// Rotary position embedding of the first half of each head's dimensions against the second, in place.
  ///
  /// - Parameter firstRow: of angles, for x's first row.
  func rotate(_ x: Tensor, by angles: RotaryAngles, firstRow: Int, heads: Int)
  /// The gradient of what `rotate` was given from that of what it gave, in place.
  func rotateBackward(_ x: Tensor, by angles: RotaryAngles, heads: Int)
  /// x = cap · tanh(x / cap): a softcap of logits.
  func softcap(_ x: Tensor, _ cap: Float)
  /// dx = dy · (1 - (y / cap)²), y being softcap's result; into dy.
  func softcapBackward(_ dy: Tensor, y: Tensor, _ cap: Float)

  // MARK: Attention

  /// softmax(score scale · Q Kᵀ) V for every head, never more than a block of rows of the weights at a time. A row's bits depend on
  /// its query and on the keys and values that it sees alone.
  ///
  /// - Shape: queries [T, heads · D], keys and values [K, keyValueHeads · D], output [T, heads · D].
  /// - Parameters:
  ///   - values: nil stops after the weights: only the observed spans are computed, and nothing is written.
  ///   - sums: where the weights of observed spans are added up.
  ///   - hidden: keys that some heads don't see; nil if every head sees what its span says.
  func attend(
    queries: Tensor, keys: Tensor, values: Tensor?, into output: Tensor?, spans: [AttentionSpan], shape: AttentionShape,
    adding sums: AttentionSums?, hiding hidden: HiddenKeys?) throws
  /// The same where the rows of a block see one another, as in a vision tower. In bf16 (on x86-64), queries, keys, values and
  /// weights are rounded to it, as the operands of other products are; `attend` of spans computes in float32 always.
  ///
  /// - Parameter blocks: of rows. Others aren't written.
  func attend(
    queries: Tensor, keys: Tensor, values: Tensor, into output: Tensor, blocks: [Range<Int>], shape: AttentionShape)
    throws
  /// The gradients of queries, keys and values from that of the output. Rows of dKeys and dValues that no query sees become 0.
  func attendBackward(
    _ dOutput: Tensor, queries: Tensor, keys: Tensor, values: Tensor, dQueries: Tensor, dKeys: Tensor, dValues: Tensor,
    spans: [AttentionSpan], shape: AttentionShape) throws

  // MARK: Losses

  /// The loss of each row, -log softmax(logits)[target]; the logits become its gradient.
  func crossEntropy(_ logits: Tensor, targets: ArraySlice<Int32>) -> [Double]

  // MARK: What adapters and training need

  /// The numbers as they are kept in memory or a file, in little-endian order.
  ///
  /// - Parameter elementType: f32, or bf16 (rounded to nearest, ties to even).
  func bytes(of x: Tensor, as elementType: ElementType) -> [UInt8]
  /// The numbers that `bytes` gave.
  func fill(_ x: Tensor, from bytes: ArraySlice<UInt8>, as elementType: ElementType)
  /// Adds x to sums in fixed point, 2^-72 apart, whose high halves are the first x.count words and whose low halves the next
  /// ones. Sums of integers are exact, whatever their order.
  ///
  /// - Parameter limit: 2^30 / k where up to k numbers are added to one: then no sum overflows.
  /// - Returns: whether all of x were finite and below the limit; those that are not are left out.
  func addExactly(_ x: Tensor, limit: Float, to words: inout [Int64]) -> Bool
}

extension Backend {
  /// Attention where every head sees what its span says.
  public func attend(
    queries: Tensor, keys: Tensor, values: Tensor?, into output: Tensor?, spans: [AttentionSpan], shape: AttentionShape,
    adding sums: AttentionSums?
  ) throws {
    try attend(
      queries: queries, keys: keys, values: values, into: output, spans: spans, shape: shape, adding: sums, hiding: nil)
  }
}

/// Where `attend` adds up the attention weights of observed rows: what attention scores are made of.
///
/// Row r of queries, of head h, adds its weights over `keys`, divided by `divisor` (and first by their own sum over `keys`,
/// where it normalises), to row `row + h` of `sums`. Queries that add to the same row belong to one
/// span, or to consecutive ones whose own keys begin at the same row.
public struct AttentionSums {
  public struct Row: Sendable {
    /// The query's row.
    public let query: Int
    /// The row of `sums` for head 0.
    public let row: Int
    public let divisor: Float

    public init(query: Int, row: Int, divisor: Float) {
      self.query = query
      self.row = row
      self.divisor = divisor
    }
  }

  /// - Shape: [rows of sums, V], V keys in all of `keys`. Float32; the caller zeroes it.
  public let sums: Tensor
  /// Ranges of positions (see `AttentionSpan`): the shared keys first. A key that a query doesn't see adds 0.
  public let keys: [Range<Int>]
  public let normalises: Bool
  /// No query twice. Observed queries that aren't named add nothing.
  public let rows: [Row]

  public init(sums: Tensor, keys: [Range<Int>], normalises: Bool, rows: [Row]) {
    self.sums = sums
    self.keys = keys
    self.normalises = normalises
    self.rows = rows
  }
}

/// A norm: its kind, weights and eps.
///
/// RMSNorm that multiplies by 1 + w (Gemma) is `.rms` with 1 added to the file's weights.
public struct Norm: Sendable {
  public enum Kind: Sendable { case layer, rms }

  public let kind: Kind
  /// - Shape: [1, C], or [1, D] where it is over heads.
  public let weight: Tensor
  /// LayerNorm's.
  public let bias: Tensor?
  public let eps: Float
  /// What was added to the file's weights: 1 for Gemma, else 0.
  public let weightOffset: Float

  /// - Parameter weight: with the offset.
  public init(_ kind: Kind, weight: Tensor, bias: Tensor? = nil, eps: Float, weightOffset: Float = 0) {
    precondition(bias == nil || bias?.columns == weight.columns)
    self.weightOffset = weightOffset
    self.kind = kind
    self.weight = weight
    self.bias = bias
    self.eps = eps
  }
}
