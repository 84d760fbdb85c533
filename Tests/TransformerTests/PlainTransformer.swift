import Foundation
import Kernels

@testable import Transformer

/// A stack of layers by its definition, row by row in float64: what the stacks are held against, and what finite differences
/// are taken of.
struct PlainTransformer {
  let layers: [TransformerLayer]
  /// By row of the pass and layer: the rows that it sees.
  let visible: (_ row: Int, _ layer: Int) -> [Int]
  let angles: [RotaryAngles]
  /// Rows that are added behind a layer.
  var additions: [(afterLayer: Int, rows: [Int], values: [[Double]])] = []
  var adapter: LowRankAdapter?
  /// In the place of the adapter's own.
  var parameters: [Double] = []

  /// Which rows of a pass each row sees: of the prefix and its own segment those up to itself, or in its block, in its window.
  static func visible(_ layout: SequenceLayout, _ layers: [TransformerLayer]) -> (Int, Int) -> [Int] {
    let places = layout.places
    return { row, layer in
      let (own, attention) = (places[row], layers[layer].attention)
      let blocks =
        own.segment.map { layout.segmentBlocks.isEmpty ? [] : layout.segmentBlocks[$0] }
        ?? layout.prefixBlocks
      return places.indices.filter { key in
        let other = places[key]
        guard other.segment == nil || other.segment == own.segment else { return false }
        let block = blocks.first { $0.contains(own.position) }
        let isInBlock = other.segment == own.segment && block?.contains(other.position) == true
        guard isInBlock || other.position <= own.position else { return false }
        guard let window = attention.window, block == nil || attention.windowHoldsBothWays else { return true }
        return own.position - other.position < window
      }
    }
  }

  /// - Shape: x [rows][C]; the result likewise.
  func forward(_ x: [[Double]], layers range: Range<Int>) -> [[Double]] {
    var x = x
    for index in range {
      let layer = layers[index]
      let attention = attend(x.map { normed($0, layer.inputNorm) }, index)
      x = added(x, attention, layer.attentionOutputNorm, layer.attentionScale)
      let inner = x.map { feedForward(normed($0, layer.feedForwardNorm), index) }
      x = added(x, inner, layer.feedForwardOutputNorm, layer.feedForwardScale)
      for addition in additions where addition.afterLayer == index {
        for (row, values) in zip(addition.rows, addition.values) { x[row] = zip(x[row], values).map(+) }
      }
    }
    return x
  }

  private func added(_ x: [[Double]], _ branch: [[Double]], _ norm: Norm?, _ scale: Tensor?) -> [[Double]] {
    zip(x, branch).map { x, branch in
      let normed = norm.map { self.normed(branch, $0) } ?? branch
      let factors = scale.map { $0.floats().map(Double.init) } ?? normed.map { _ in 1 }
      return x.indices.map { x[$0] + factors[$0] * normed[$0] }
    }
  }

  /// Each part of a row as wide as the norm's weight by itself.
  private func normed(_ x: [Double], _ norm: Norm) -> [Double] {
    let (weight, bias) = (norm.weight.floats().map(Double.init), norm.bias?.floats().map(Double.init))
    return stride(from: 0, to: x.count, by: weight.count).flatMap { start -> [Double] in
      let part = Array(x[start..<start + weight.count])
      let mean = norm.kind == .layer ? part.reduce(0, +) / Double(part.count) : 0
      let variance = part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(part.count)
      return part.indices.map {
        (part[$0] - mean) / (variance + Double(norm.eps)).squareRoot() * weight[$0] + (bias?[$0] ?? 0)
      }
    }
  }

  private func project(_ projection: Projection, _ layer: Int, _ x: [Double]) -> [Double] {
    guard let linear = layers[layer][projection] else { return [] }
    let weight = linear.weight.floats().map(Double.init)
    var y = (0..<linear.outputs).map { out in
      x.indices.reduce(Double(linear.bias?.floats()[out] ?? 0)) { $0 + weight[out * x.count + $1] * x[$1] }
    }
    if let update = adapter?[LoRATarget(layer: layer, projection: projection)] {
      let (a, b) = (Array(parameters[update.a]), Array(parameters[update.b]))
      let low = (0..<update.rank).map { row in x.indices.reduce(0) { $0 + a[row * x.count + $1] * x[$1] } }
      for out in y.indices {
        y[out] +=
          Double(update.scaling) * low.indices.reduce(0) { $0 + b[out * update.rank + $1] * low[$1] }
      }
    }
    return y
  }

  private func attend(_ x: [[Double]], _ layer: Int) -> [[Double]] {
    let attention = layers[layer].attention
    let shape = attention.shape
    func turned(_ projection: Projection, _ norm: Norm?) -> [[Double]] {
      x.enumerated().map { row, x in
        let y = project(projection, layer, x)
        return rotated(norm.map { normed(y, $0) } ?? y, row, attention.rotary, shape.headDim)
      }
    }
    let (q, k) = (turned(.query, attention.queryNorm), turned(.key, attention.keyNorm))
    let v = x.map { project(.value, layer, $0) }
    return x.indices.map { row in
      let keys = visible(row, layer)
      let output = (0..<shape.heads).flatMap { head -> [Double] in
        let own = head / (shape.heads / shape.keyValueHeads) * shape.headDim
        let scores = keys.map { key -> Double in
          let product = (0..<shape.headDim).reduce(0.0) {
            $0 + q[row][head * shape.headDim + $1] * k[key][own + $1]
          }
          let score = Double(shape.scoreScale) * product
          return shape.softcap.map { Double($0) * tanh(score / Double($0)) } ?? score
        }
        let peak = scores.max() ?? 0
        let weights = scores.map { exp($0 - peak) }
        let total = weights.reduce(0, +)
        return (0..<shape.headDim).map { d in
          zip(keys, weights).reduce(0) { $0 + v[$1.0][own + d] * $1.1 } / total
        }
      }
      return project(.output, layer, output)
    }
  }

  private func rotated(_ x: [Double], _ row: Int, _ table: Int?, _ depth: Int) -> [Double] {
    guard let table else { return x }
    let half = depth / 2
    var x = x
    for head in 0..<x.count / depth {
      for i in 0..<half {
        let (c, s) = (
          Double(angles[table].cosines[row * half + i]), Double(angles[table].sines[row * half + i])
        )
        let (a, b) = (x[head * depth + i], x[head * depth + half + i])
        (x[head * depth + i], x[head * depth + half + i]) = (a * c - b * s, b * c + a * s)
      }
    }
    return x
  }

  private func feedForward(_ x: [Double], _ layer: Int) -> [Double] {
    let mlp = layers[layer].feedForward
    let up = project(.up, layer, x)
    let inner =
      mlp.gate == nil
      ? up.map { activated($0, mlp.activation) }
      : zip(project(.gate, layer, x), up).map { activated($0, mlp.activation) * $1 }
    return project(.down, layer, inner)
  }

  private func activated(_ x: Double, _ activation: Activation) -> Double {
    switch activation {
    case .quickGELU: x / (1 + exp(-1.702 * x))
    case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case .tanhGELU: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .silu: x / (1 + exp(-x))
    }
  }
}

extension [Float] {
  /// Cut into rows, in float64.
  func rows(_ columns: Int) -> [[Double]] {
    stride(from: 0, to: count, by: columns).map { self[$0..<$0 + columns].map(Double.init) }
  }
}
