import Kernels
import TestSupport
import Testing

@testable import Transformer

@Suite("Encoder")
struct EncoderTests {
  private static let rows = 23

  private func run(
    _ encoder: EncoderStack, _ values: [Float], blocks: [[Range<Int>]]? = nil,
    afterLayer: @escaping (Int) throws -> Void = { _ in }
  ) throws -> (hidden: [Float], layers: [[Float]]) {
    let rows = values.count / RandomModel.hiddenSize
    let hidden = Tensor(values, rows: rows)
    var layers: [[Float]] = []
    try encoder.forward(
      hidden, angles: RandomModel.tables(Array(0..<rows)), blocks: blocks,
      taps: Taps(afterLayer: { layer, rows in
        layers.append(rows.floats())
        try afterLayer(layer)
      }))
    return (hidden.floats(), layers)
  }

  @Test("every layer is shown, the last one's output being the pass's")
  func layers() throws {
    var random = RandomModel()
    let encoder = try random.encoder(layers: 3)
    let (hidden, layers) = try run(encoder, random.numbers(Self.rows * RandomModel.hiddenSize))
    #expect(layers.count == 3 && layers.last == hidden && layers[0] != layers[1])
    #expect(hidden.allSatisfy { $0.isFinite })
  }

  private static let kinds = [
    RandomModel.vit,
    LayerKind("SigLIP") { ($0.norm, $0.isGated, $0.activation, $0.rotary) = (.layer, false, .tanhGELU, [nil]) },
    LayerKind("Qwen2.5-VL, windows in some layers") { $0.blocks = [1, 0, 1] },
    LayerKind("InternViT") {
      ($0.norm, $0.isGated, $0.activation, $0.rotary) = (.layer, false, .gelu, [nil])
      $0.hasLayerScale = true
    },
    LayerKind("InternViT 6B") {
      ($0.isGated, $0.activation, $0.rotary, $0.hasLayerScale, $0.headNorm) = (false, .gelu, [nil], true, .channels)
    },
  ]

  @Test("a pass is what its definition gives in float64", arguments: kinds)
  func plain(_ kind: LayerKind) throws {
    var random = RandomModel()
    let encoder = try random.encoder(layers: 3, kind)
    let values = random.numbers(Self.rows * RandomModel.hiddenSize)
    let blocks = [[0..<Self.rows], [0..<4, 4..<13, 13..<14, 14..<Self.rows]]
    let plain = PlainTransformer(
      layers: encoder.layers,
      visible: { row, layer in
        blocks[encoder.layers[layer].attention.blocks].first { $0.contains(row) }.map(Array.init) ?? []
      }, angles: RandomModel.tables(Array(0..<Self.rows)))
    let expected = plain.forward(values.rows(RandomModel.hiddenSize), layers: 0..<3).flatMap { $0 }
    let closeness = Closeness(try run(encoder, values, blocks: blocks).hidden, expected)
    #expect(closeness.relativeL2 < 2e-6, "\(closeness)")
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

  @Test("rows and whole blocks in pieces equal all at once", arguments: [1, 4, 9, 10, 22, 23, 24])
  func pieces(_ rowsAtATime: Int) throws {
    var random = RandomModel()
    let encoder = try random.encoder(layers: 2)
    let values = random.numbers(Self.rows * RandomModel.hiddenSize)
    for blocks in [nil, [[0..<4, 4..<13, 13..<14, 14..<Self.rows]]] {
      encoder.rowsAtATime = 2048
      let whole = try run(encoder, values, blocks: blocks).hidden
      encoder.rowsAtATime = rowsAtATime
      let closeness = Closeness(try run(encoder, values, blocks: blocks).hidden, whole)
      #expect(closeness.maximumDifference <= 2e-6, "\(closeness)")
    }
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
