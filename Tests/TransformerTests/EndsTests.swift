import Foundation
import Kernels
import TestSupport
import Testing

@testable import Transformer

/// The beginning and the end of a language model.
@Suite("Embedding and output head")
struct EndsTests {
  private static let (size, vocabulary) = (24, 31)
  private let backend: any Backend

  init() throws { backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2)) }

  private func head(_ kind: Norm.Kind, softcap: Float?) -> (OutputHead, RandomModel) {
    var random = RandomModel()
    let norm = random.norm(kind, Self.size)
    let weight = Tensor(random.numbers(Self.vocabulary * Self.size, scale: 0.8), rows: Self.vocabulary)
    return (OutputHead(norm: norm, weight: weight, softcap: softcap, backend: backend), random)
  }

  /// By the definition, in float64.
  private func logits(_ head: OutputHead, _ x: [Double]) -> [Double] {
    let norm = head.norm
    let (weight, w) = (norm.weight.floats().map(Double.init), head.weight.weight.floats().map(Double.init))
    let mean = norm.kind == .layer ? x.reduce(0, +) / Double(x.count) : 0
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
    let normed = x.indices.map {
      (x[$0] - mean) / (variance + Double(norm.eps)).squareRoot() * weight[$0] + Double(norm.bias?.floats()[$0] ?? 0)
    }
    return (0..<Self.vocabulary).map { token in
      let y = x.indices.reduce(0.0) { $0 + w[token * x.count + $1] * normed[$1] }
      return head.softcap.map { Double($0) * tanh(y / Double($0)) } ?? y
    }
  }

  private func loss(_ head: OutputHead, _ x: [Double], _ target: Int32) -> Double {
    let logits = logits(head, x)
    return log(logits.reduce(0) { $0 + exp($1) }) - logits[Int(target)]
  }

  @Test(
    "scores, losses and gradients are what the definition gives, with a softcap or without",
    arguments: [Norm.Kind.rms, .layer], [nil, 2] as [Float?])
  func outputHead(_ kind: Norm.Kind, softcap: Float?) throws {
    var (head, random) = head(kind, softcap: softcap)
    // More rows than the head computes at a time.
    let rows = 70
    let values = random.numbers(rows * Self.size)
    let targets = (0..<Int32(rows)).map { $0 % Int32(Self.vocabulary) }
    let hidden = backend.tensor(values, rows: rows)
    let expected = values.rows(Self.size)
    let scores = Closeness(backend.read(try head.logits(hidden)), expected.flatMap { logits(head, $0) })
    #expect(scores.relativeL2 < 1e-6, "\(scores)")
    let gradient = backend.tensor(rows: rows, columns: Self.size)
    let losses = Closeness(
      try head.crossEntropy(hidden, targets: targets, gradient: gradient),
      zip(expected, targets).map { loss(head, $0, $1) })
    #expect(losses.relativeL2 < 1e-6, "\(losses)")
    let alone = try head.crossEntropy(hidden, targets: targets, gradient: nil)
    #expect(try head.crossEntropy(hidden, targets: targets, gradient: gradient) == alone)
    let found = backend.read(gradient).rows(Self.size)
    for row in [0, 1, 63, 64, 69] {
      let direction = random.numbers(Self.size).map(Double.init)
      func moved(_ step: Double) -> Double {
        loss(head, zip(expected[row], direction).map { $0 + step * $1 }, targets[row])
      }
      let measured = (moved(1e-5) - moved(-1e-5)) / 2e-5
      let own = zip(found[row], direction).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(measured - own) < 1e-5 * max(1, abs(measured)), "row \(row): \(own), differences say \(measured)")
    }
    // The gradient may take the place of the hidden states.
    _ = try head.crossEntropy(hidden, targets: targets, gradient: hidden)
    #expect(backend.read(hidden) == backend.read(gradient))
  }

  @Test("an embedding is multiplied by its factor, and by an adapter's columns before")
  func embedding() {
    var random = RandomModel()
    let table = random.numbers(Self.vocabulary * Self.size)
    let embedding = TokenEmbedding(Tensor(table, rows: Self.vocabulary), factor: 3, backend: backend)
    let output = backend.tensor(rows: 3, columns: Self.size)
    let tokens: [Int32] = [7, 0, 7]
    let own = tokens.flatMap { table[Int($0) * Self.size..<(Int($0) + 1) * Self.size] }
    embedding.embed(tokens, into: output)
    #expect(backend.read(output) == own.map { $0 * 3 })

    let (a, b) = (random.numbers(2 * Self.vocabulary), random.numbers(2 * Self.size))
    let scale = random.numbers(Self.size)
    embedding.update.lowRank = LowRankFactors(
      a: Tensor(a, rows: 2), b: Tensor(b, rows: Self.size), scaling: 0.5)
    embedding.update.scale = Tensor(scale)
    embedding.embed(tokens, into: output)
    let expected = tokens.flatMap { token in
      (0..<Self.size).map { column -> Double in
        let low = (0..<2).reduce(0.0) {
          $0 + Double(a[$1 * Self.vocabulary + Int(token)]) * Double(b[column * 2 + $1])
        }
        return 3 * Double(scale[column]) * (Double(table[Int(token) * Self.size + column]) + 0.5 * low)
      }
    }
    let closeness = Closeness(backend.read(output), expected)
    #expect(closeness.relativeL2 < 1e-6, "\(closeness)")
  }
}
