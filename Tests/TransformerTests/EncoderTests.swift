import Kernels
import TestSupport
import Testing

@testable import Transformer

@Suite("Encoder")
struct EncoderTests {
  private static let rows = 23

  private func run(
    _ encoder: EncoderStack, _ values: [Float], afterLayer: @escaping (Int) throws -> Void = { _ in }
  ) throws -> (hidden: [Float], layers: [[Float]]) {
    var hidden = values
    var layers: [[Float]] = []
    let rows = values.count / RandomModel.hiddenSize
    try hidden.withUnsafeMutableBufferPointer { hidden in
      guard let base = hidden.baseAddress else { return }
      try encoder.forward(
        base, rows: rows, angles: RandomModel.angles(Array(0..<rows)),
        taps: Taps(hiddenState: { layer, rows in
          layers.append(rows.floats())
          try afterLayer(layer)
        }))
    }
    return (hidden, layers)
  }

  @Test("every layer is shown, the last one's output being the pass's")
  func layers() throws {
    var random = RandomModel()
    let encoder = try random.encoder(layers: 3)
    let (hidden, layers) = try run(encoder, random.numbers(Self.rows * RandomModel.hiddenSize))
    #expect(layers.count == 3 && layers.last == hidden && layers[0] != layers[1])
    #expect(hidden.allSatisfy { $0.isFinite })
  }

  @Test("every row sees every row")
  func sees() throws {
    var random = RandomModel()
    let encoder = try random.encoder(layers: 1)
    let values = random.numbers(Self.rows * RandomModel.hiddenSize)
    var changed = values
    changed[changed.count - 1] += 3
    let (before, after) = (try run(encoder, values).hidden, try run(encoder, changed).hidden)
    for row in 0..<Self.rows {
      let place = row * RandomModel.hiddenSize..<(row + 1) * RandomModel.hiddenSize
      #expect(before[place] != after[place], "row \(row)")
    }
  }

  @Test("the rows of the MLP in pieces equal all at once", arguments: [1, 4, 22, 23, 24])
  func pieces(_ mlpRows: Int) throws {
    var random = RandomModel()
    let encoder = try random.encoder(layers: 2)
    let values = random.numbers(Self.rows * RandomModel.hiddenSize)
    let whole = try run(encoder, values).hidden
    encoder.mlpRows = mlpRows
    let closeness = Closeness(try run(encoder, values).hidden, whole)
    #expect(closeness.maximumDifference <= 2e-6, "\(closeness)")
  }

  @Test("a tap that throws ends the pass there")
  func throwing() throws {
    struct Stop: Error {}
    var random = RandomModel()
    let encoder = try random.encoder(layers: 3)
    let values = random.numbers(Self.rows * RandomModel.hiddenSize)
    var seen: [Int] = []
    #expect(throws: Stop.self) {
      try run(encoder, values) { layer in
        seen.append(layer)
        if layer == 1 { throw Stop() }
      }
    }
    #expect(seen == [0, 1])
  }
}
