import Kernels
import TestSupport
import Testing

@testable import Transformer

@Suite("Ablated heads")
struct AblationTests {
  private static let heads: [(layer: Int, head: Int)] = [(0, 1), (1, 0), (1, 3), (2, 2)]
  private let decoder: DecoderStack
  private let rows: [Float]

  init() throws {
    var random = RandomModel()
    decoder = try random.decoder(layers: 3)
    rows = random.numbers(11 * RandomModel.hiddenSize)
  }

  /// A decoder whose output projections don't see the attention output of these heads.
  private func blind(to heads: [(layer: Int, head: Int)]) -> DecoderStack {
    let depth = RandomModel.heads.headDim
    let layers = decoder.layers.enumerated().map { index, layer in
      let columns = heads.filter { $0.layer == index }.flatMap { $0.head * depth..<($0.head + 1) * depth }
      var blind = layer
      blind.attention.output = layer.attention.output.blind(to: Set(columns))
      return blind
    }
    return DecoderStack(layers: layers, hiddenSize: decoder.hiddenSize, backend: decoder.backend)
  }

  @Test(
    "a pass is the same as with output projections that don't see them, whatever the layout",
    arguments: [
      SequenceLayout(newPrefix: 11), SequenceLayout(newPrefix: 0, segments: [11]),
      SequenceLayout(newPrefix: 4, segments: [7]), SequenceLayout(newPrefix: 4, segments: [7], outputRowsAtEnd: [3]),
    ])
  func passes(_ layout: SequenceLayout) throws {
    func hidden(_ decoder: DecoderStack) throws -> [Float] {
      let pass = try decoder.pass(rows, layout, positions: Array(0..<11), cache: decoder.freshCache(rows: 11))
      return Array(pass.hidden.prefix((layout.outputs?.count ?? 11) * RandomModel.hiddenSize))
    }
    let plain = try hidden(decoder)
    decoder.ablatedHeads = AblatedHeads(Self.heads)
    let ablated = try hidden(decoder)
    let closeness = Closeness(ablated, try hidden(blind(to: Self.heads)))
    #expect(closeness.maximumDifference <= 2e-6, "\(closeness)")
    #expect(Closeness(ablated, plain).relativeL2 > 0.01)
    decoder.ablatedHeads = .none
    #expect(try hidden(decoder) == plain)
  }

  @Test("the attention weights of layers above follow; those of the heads' own layer stay")
  func weights() throws {
    func weights() throws -> [PassResult.Key: [Float]] {
      try decoder.pass(
        rows, SequenceLayout(newPrefix: 0, segments: [11]), positions: Array(0..<11),
        cache: decoder.freshCache(rows: 11), stopsAtLastWeights: true
      ).weights
    }
    let plain = try weights()
    decoder.ablatedHeads = AblatedHeads([(1, 2)])
    let ablated = try weights()
    for (key, values) in plain where key.row > 1 {
      #expect((values == ablated[key]) == (key.layer <= 1), "\(key)")
    }
  }

  @Test("decoding on the cache continues without them")
  func cache() throws {
    decoder.ablatedHeads = AblatedHeads(Self.heads)
    let size = RandomModel.hiddenSize
    let whole = try decoder.pass(
      rows, SequenceLayout(newPrefix: 11), positions: Array(0..<11), cache: decoder.freshCache(rows: 11))
    let cache = decoder.freshCache(rows: 11)
    _ = try decoder.pass(
      Array(rows[..<(8 * size)]), SequenceLayout(newPrefix: 8), positions: Array(0..<8), cache: cache)
    let rest = try decoder.pass(
      Array(rows[(8 * size)...]), SequenceLayout(cachedPrefix: 8, newPrefix: 0, segments: [3]),
      positions: Array(8..<11), cache: cache)
    let closeness = Closeness(rest.hidden, Array(whole.hidden[(8 * size)...]))
    #expect(closeness.maximumDifference <= 2e-6, "\(closeness)")
  }

  /// Image tokens at 2..<6, of which one stands for no part of the image.
  private func replaced(_ replacement: AblatedHeads.Replacement) -> AblatedHeads {
    AblatedHeads(Self.heads, replacement: replacement).inPass(image: [2..<6], visual: [2..<4, 5..<6])
  }

  private var means: HeadMeans {
    let width = RandomModel.heads.queryWidth
    return HeadMeans(
      Dictionary(
        uniqueKeysWithValues: (0..<3).map { layer in
          let values = (0..<2 * width).map { Float(($0 * 7 + layer) % 11) / 10 - 0.4 }
          return (layer, HeadMeans.Layer(image: Array(values[..<width]), text: Array(values[width...])))
        }))
  }

  @Test("means and knockout give the same whatever the layout, and on the cache", arguments: [true, false])
  func layouts(_ isMean: Bool) throws {
    decoder.ablatedHeads = replaced(isMean ? .mean(means) : .knockout)
    let size = RandomModel.hiddenSize
    func hidden(_ layout: SequenceLayout) throws -> [Float] {
      try decoder.pass(rows, layout, positions: Array(0..<11), cache: decoder.freshCache(rows: 11)).hidden
    }
    let whole = try hidden(SequenceLayout(newPrefix: 11))
    for layout in [SequenceLayout(newPrefix: 0, segments: [11]), SequenceLayout(newPrefix: 7, segments: [4])] {
      #expect(Closeness(try hidden(layout), whole).maximumDifference <= 2e-6)
    }
    let last = try hidden(SequenceLayout(newPrefix: 4, segments: [7], outputRowsAtEnd: [3]))
    #expect(Closeness(Array(last.prefix(3 * size)), Array(whole[(8 * size)...])).maximumDifference <= 2e-6)
    let cache = decoder.freshCache(rows: 11)
    _ = try decoder.pass(
      Array(rows[..<(8 * size)]), SequenceLayout(newPrefix: 8), positions: Array(0..<8), cache: cache)
    let rest = try decoder.pass(
      Array(rows[(8 * size)...]), SequenceLayout(cachedPrefix: 8, newPrefix: 0, segments: [3]),
      positions: Array(8..<11), cache: cache)
    #expect(Closeness(rest.hidden, Array(whole[(8 * size)...])).maximumDifference <= 2e-6)
  }

  @Test("a mean of zeros is zero; knockout changes no row before the image ends")
  func ends() throws {
    func hidden(_ heads: AblatedHeads) throws -> [Float] {
      decoder.ablatedHeads = heads
      return try decoder.pass(
        rows, SequenceLayout(newPrefix: 11), positions: Array(0..<11), cache: decoder.freshCache(rows: 11)
      ).hidden
    }
    let zeros = [Float](repeating: 0, count: RandomModel.heads.queryWidth)
    let layers = Dictionary(uniqueKeysWithValues: (0..<3).map { ($0, HeadMeans.Layer(image: zeros, text: zeros)) })
    #expect(try hidden(replaced(.mean(HeadMeans(layers)))) == hidden(replaced(.zero)))
    let (plain, blind) = (try hidden(.none), try hidden(replaced(.knockout)))
    let image = 6 * RandomModel.hiddenSize
    #expect(plain[..<image] == blind[..<image] && plain[image...] != blind[image...])
  }

  @Test("the lowest layer that loses a head")
  func lowest() {
    #expect(AblatedHeads(Self.heads.reversed()).lowestLayer == 0)
    #expect(AblatedHeads([(4, 1), (2, 7)]).lowestLayer == 2)
    #expect(AblatedHeads.none.lowestLayer == nil)
    #expect(AblatedHeads([(1, 3), (1, 0), (1, 3)]) == AblatedHeads([(1, 0), (1, 3)]))
  }
}
