import Testing

@testable import Transformer

@Suite("Key-value cache")
struct KeyValueCacheTests {
  @Test("every layer's keys and values have rows of their own")
  func places() {
    let cache = KeyValueCache()
    cache.reserve(layers: 3, rows: 5, width: 7)
    let starts = (0..<3).flatMap { [cache.keys(layer: $0), cache.values(layer: $0)] }
    for (block, start) in starts.enumerated() { #expect(start == starts[0] + block * 5 * 7) }
    #expect(cache.keys(layer: 2, row: 4) == cache.keys(layer: 2) + 28)
    // One past the last row, for a pass that adds none.
    #expect(cache.values(layer: 2, row: 5) == cache.values(layer: 2) + 35)
  }

  @Test("it takes a smaller and a larger model after another")
  func reuse() throws {
    var random = RandomModel()
    let decoder = try random.decoder(layers: 2)
    let rows = random.numbers(6 * RandomModel.hiddenSize)
    let cache = KeyValueCache()
    var results: [[Float]] = []
    for room in [6, 40, 6] {
      decoder.reserve(cache, rows: room)
      results.append(
        try decoder.pass(rows, SequenceLayout(newPrefix: 6), positions: Array(0..<6), cache: cache).hidden)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test("a row beyond its room is our own mistake, and ends the program before memory is touched")
  func bounds() async {
    await #expect(processExitsWith: .failure) {
      let cache = KeyValueCache()
      cache.reserve(layers: 1, rows: 5, width: 7)
      _ = cache.keys(layer: 0, row: 6)
    }
    await #expect(processExitsWith: .failure) {
      let cache = KeyValueCache()
      cache.reserve(layers: 1, rows: 5, width: 7)
      _ = cache.values(layer: 1)
    }
    await #expect(processExitsWith: .failure) { _ = KeyValueCache().keys(layer: 0) }
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
