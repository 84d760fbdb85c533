import Kernels

/// Low-rank updates of some of the decoder's linear layers: y = W x + b + scaling · B (A x) (Hu et al. 2021, arXiv
/// 2106.09685).
///
/// With magnitudes (DoRA, Liu et al. 2024, arXiv 2402.09353) y = m / ‖W + scaling · B A‖ · (W x + scaling · B (A x)) + b, with
/// the norm of each row, through which no gradient flows.
///
/// These can be trained. What else an adapter may change is in `parts`.
///
/// All numbers lie in one flat buffer, update by update, A before B before m: what an optimiser steps over, and what ranks
/// compare and reduce. A gradient has the same layout.
///
/// - Shape: A [rank, in], B [out, rank], m [out].
public final class LowRankAdapter {
  /// Ascending by target.
  public let updates: [LoRADelta]
  /// How many numbers there are in all.
  public let count: Int
  /// Empty for a plain adapter.
  public var parts = AdapterParts()
  /// The flat buffer.
  ///
  /// - Shape: [1, count].
  public let parameters: Tensor
  private let backend: any Backend
  private let index: [LoRATarget: Int]
  /// The weights that magnitudes scale; empty without magnitudes.
  private let weights: [LoRATarget: Tensor]
  /// What the numbers make of the magnitudes; nil once they changed.
  private var scales: [LoRATarget: MagnitudeScale]?

  /// An adapter of zeros, which changes nothing; but with magnitudes, which are then to be set, it does.
  ///
  /// - Parameters:
  ///   - shapes: of each update; no target twice, ranks of at least 1, and only linear layers that are there.
  ///   - hasMagnitudes: of every update.
  public init(
    _ shapes: [(target: LoRATarget, rank: Int, scaling: Float)], hasMagnitudes: Bool = false,
    for layers: [TransformerLayer], on backend: any Backend
  ) {
    var updates: [LoRADelta] = []
    var at = 0
    var weights: [LoRATarget: Tensor] = [:]
    for shape in shapes.sorted(by: { $0.target < $1.target }) {
      guard let linear = layers[shape.target.layer][shape.target.projection] else {
        preconditionFailure("layer \(shape.target.layer) has no \(shape.target.projection.rawValue)")
      }
      precondition(shape.rank >= 1)
      let a = at..<at + shape.rank * linear.inputs
      let b = a.upperBound..<a.upperBound + linear.outputs * shape.rank
      at = b.upperBound
      var magnitude: Range<Int>?
      if hasMagnitudes {
        magnitude = at..<at + linear.outputs
        at += linear.outputs
        weights[shape.target] = linear.weight
      }
      updates.append(
        LoRADelta(
          target: shape.target, rank: shape.rank, inputs: linear.inputs, outputs: linear.outputs,
          scaling: shape.scaling, a: a, b: b, magnitude: magnitude))
    }
    self.updates = updates
    self.weights = weights
    self.backend = backend
    count = at
    parameters = backend.tensor(rows: 1, columns: at)
    backend.zero(parameters)
    index = Dictionary(uniqueKeysWithValues: updates.enumerated().map { ($1.target, $0) })
  }

  /// A copy of the flat buffer.
  ///
  /// - Shape: [count].
  public var values: [Float] {
    get { backend.read(parameters) }
    set {
      scales = nil
      backend.write(newValue, to: parameters)
    }
  }

  /// Lends the flat buffer where it lies.
  public func withParameters<R>(_ body: (inout MutableSpan<Float>) throws -> R) rethrows -> R {
    scales = nil
    return try backend.withFloats(of: parameters, body)
  }

  /// Whether magnitudes are among the numbers.
  public var hasMagnitudes: Bool { !weights.isEmpty }

  /// Sets every magnitude to the norm of its row, ‖W + scaling · B A‖: as PEFT does before the first step, so that they change
  /// nothing.
  ///
  public func resetMagnitudes() throws {
    for update in updates {
      guard let range = update.magnitude, let weight = weights[update.target] else { continue }
      backend.write(
        try backend.rowNorms(weight, factors(update)), to: parameters.part(range, rows: 1, columns: range.count))
    }
    scales = nil
  }

  /// What a linear layer's magnitudes make of its outputs; nil without magnitudes.
  ///
  func magnitudeScale(of target: LoRATarget) throws -> MagnitudeScale? {
    guard hasMagnitudes else { return nil }
    if let scales { return scales[target] }
    var found: [LoRATarget: MagnitudeScale] = [:]
    for update in updates {
      guard let range = update.magnitude, let weight = weights[update.target] else { continue }
      let magnitudes = backend.read(parameters.part(range, rows: 1, columns: range.count))
      let norms = try backend.rowNorms(weight, factors(update))
      found[update.target] = MagnitudeScale(
        scale: backend.tensor(zip(magnitudes, norms).map { $0 / $1 }, rows: 1),
        inverseNorm: backend.tensor(norms.map { 1 / $0 }, rows: 1))
    }
    scales = found
    return found[target]
  }

  /// The update of a linear layer; nil if it has none.
  public subscript(target: LoRATarget) -> LoRADelta? { index[target].map { updates[$0] } }

  /// An update's numbers as the backend takes them.
  public func factors(_ update: LoRADelta) -> LowRankFactors {
    LowRankFactors(a: update.a(of: parameters), b: update.b(of: parameters), scaling: update.scaling)
  }

  /// The lowest layer that has an update; nil if there is none at all.
  public var lowestLayer: Int? { updates.first?.target.layer }
}

/// A linear layer of the decoder.
public struct LoRATarget: Hashable, Sendable, Comparable {
  public let layer: Int
  public let projection: Projection

  public init(layer: Int, projection: Projection) {
    self.layer = layer
    self.projection = projection
  }

  public static func < (left: LoRATarget, right: LoRATarget) -> Bool {
    (left.layer, left.projection) < (right.layer, right.projection)
  }
}

/// m / ‖W + scaling · B A‖ of each output of a linear layer, and 1 / ‖W + scaling · B A‖. - Shape: [1, out] both
struct MagnitudeScale {
  let scale: Tensor
  let inverseNorm: Tensor
}

/// One linear layer's update, and where its numbers lie in the flat buffer.
public struct LoRADelta: Sendable {
  public let target: LoRATarget
  public let rank: Int
  public let inputs: Int
  public let outputs: Int
  /// alpha / rank, or what the adapter's configuration makes of them.
  public let scaling: Float
  /// A, row after row.
  public let a: Range<Int>
  /// B, row after row.
  public let b: Range<Int>
  /// DoRA's magnitudes of the outputs; nil without.
  public let magnitude: Range<Int>?

  /// A's part of a flat buffer: of the parameters, or of a gradient.
  ///
  /// - Shape: buffer [1, adapter's count]; the result [rank, in].
  func a(of buffer: Tensor) -> Tensor { buffer.part(a, rows: rank, columns: inputs) }

  /// B's part of a flat buffer.
  ///
  /// - Shape: buffer [1, adapter's count]; the result [out, rank].
  func b(of buffer: Tensor) -> Tensor { buffer.part(b, rows: outputs, columns: rank) }

  /// The magnitudes' part of a flat buffer; nil without magnitudes. - Shape: [1, out]
  func magnitude(of buffer: Tensor) -> Tensor? { magnitude.map { buffer.part($0, rows: 1, columns: outputs) } }
}

extension LoRATarget {
  /// Tells the dropout of one linear layer from that of another.
  var salt: UInt64 {
    (UInt64(layer) &* 16 &+ UInt64(Projection.allCases.firstIndex(of: projection) ?? 0) &+ 1) &* 0xD1B5_4A32_D192_ED03
  }
}
