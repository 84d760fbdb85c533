import Kernels
import Testing

@testable import Transformer

@Suite("Key-value cache")
struct KeyValueCacheTests {
  private let backend: any Backend

  init() throws { backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1)) }

  @Test("every layer's keys and values have rows of their own, and copies stay in their layer")
  func places() {
    let cache = KeyValueCache(on: backend)
    cache.reserve(layers: 3, rows: 5, width: 7)
    let blocks = (0..<3).flatMap { [cache.keys(layer: $0), cache.values(layer: $0)] }
    for (index, block) in blocks.enumerated() {
      #expect(block.rows == 5 && block.columns == 7)
      backend.write((0..<35).map { Float(100 * index + $0 / 7) }, to: block)
    }
    cache.copy(rows: 2, from: 0, to: 3)
    for (index, block) in blocks.enumerated() {
      let rows = backend.read(block).enumerated().filter { $0.offset % 7 == 0 }.map(\.element)
      #expect(rows == [0, 1, 2, 0, 1].map { Float(100 * index + $0) })
    }
  }

  @Test("it takes a smaller and a larger model after another")
  func reuse() throws {
    var random = RandomModel()
    let decoder = try random.decoder(layers: 2)
    let rows = random.numbers(6 * RandomModel.hiddenSize)
    let cache = KeyValueCache(on: decoder.backend)
    var results: [[Float]] = []
    for room in [6, 40, 6] {
      decoder.reserve(cache, rows: room)
      results.append(
        try decoder.pass(rows, SequenceLayout(newPrefix: 6), positions: Array(0..<6), cache: cache).hidden)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test("a row or a layer beyond its room is our own mistake, and ends the program before memory is touched")
  func bounds() async {
    await #expect(processExitsWith: .failure) {
      let cache = KeyValueCache(on: try CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
      cache.reserve(layers: 1, rows: 5, width: 7)
      cache.copy(rows: 2, from: 0, to: 4)
    }
    await #expect(processExitsWith: .failure) {
      let cache = KeyValueCache(on: try CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
      cache.reserve(layers: 1, rows: 5, width: 7)
      _ = cache.values(layer: 1)
    }
    await #expect(processExitsWith: .failure) {
      _ = KeyValueCache(on: try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))).keys(layer: 0)
    }
  }

  @Test("a pass of more rows than the cache has room for ends the program before memory is touched")
  func tooManyRows() async {
    await #expect(processExitsWith: .failure) {
      var random = RandomModel()
      let decoder = try random.decoder(layers: 1)
      let rows = random.numbers(6 * RandomModel.hiddenSize)
      let cache = decoder.freshCache(rows: 5)
      _ = try decoder.pass(rows, SequenceLayout(newPrefix: 6), positions: Array(0..<6), cache: cache)
    }
  }
}
