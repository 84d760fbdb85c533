import COCO
import Foundation
import HeadImpact
import Testing

@testable import AttentionMaps

@Suite("The page's data")
struct PageDataTests {
  /// Two layers of two heads, three tokens, four visual tokens: scores that are all different.
  private func reading(chosen: [Selection.Head]) throws -> AttentionReading {
    let scores: [Float] = (0..<48).map { (at: Int) -> Float in Float(1 + at * 29 % 48) / 100 }
    return try AttentionReading(
      rows: scores, tokens: ["a", " dog", "."], text: "a dog.", spans: [0..<1, 1..<5, 5..<6],
      cells: (0..<4).map { Cell(x0: Double($0), y0: 0, x1: Double($0 + 1), y1: 1.005) }, layers: 2, headsPerLayer: 2,
      chosen: chosen)
  }

  private struct Read: Decodable {
    let heads: [[Int]]
    let chosen: [Int]
    let detailed: [Int]
    let peaks: [Double]
    let maps: Data
    let cells: [Double]

    /// The scores of a map, as the page's script works them out.
    func map(_ index: Int, visual: Int) -> [Double] {
      (0..<visual).map { v in
        let at = 2 * (index * visual + v)
        return Double(Int(maps[at]) + 256 * Int(maps[at + 1])) * peaks[index] / 65_535
      }
    }
  }

  private func read(_ reading: AttentionReading, room: Int) throws -> Read {
    let json = try PageData(reading, size: (4, 1), room: room).json()
    return try JSONDecoder().decode(Read.self, from: Data(json.utf8))
  }

  @Test("every head's average comes first, then the tokens of the chosen heads and of the others")
  func maps() throws {
    let reading = try reading(chosen: [Selection.Head(layer: 1, head: 0)])
    let data = try read(reading, room: 1 << 20)
    #expect(data.heads == [[0, 0], [0, 1], [1, 0], [1, 1]] && data.chosen == [2] && data.detailed == [2, 0, 1, 3])
    #expect(data.maps.count == 2 * 4 * (4 + 4 * 3) && data.peaks.count == 16)
    func expect(_ map: Int, _ scores: [Float]) {
      for (found, score) in zip(data.map(map, visual: 4), scores) {
        #expect(abs(found - Double(score)) <= 0.5 * data.peaks[map] / 65_535 + 1e-9, "map \(map)")
      }
    }
    for (index, head) in reading.allHeads.enumerated() { expect(index, reading.scores(of: head, over: 0..<3)) }
    for (place, head) in data.detailed.enumerated() {
      for token in 0..<3 { expect(4 + place * 3 + token, reading.scores(of: reading.allHeads[head], over: [token])) }
    }
    #expect(data.cells[3] == 1 || data.cells[3] == 1.01)
  }

  @Test("the page stays small: first other heads lose their tokens, then they go")
  func room() throws {
    let reading = try reading(chosen: [Selection.Head(layer: 0, head: 1), Selection.Head(layer: 1, head: 1)])
    // A map takes 11 bytes.
    #expect(try read(reading, room: 11 * (4 + 3 * 3)).detailed == [1, 3, 0])
    #expect(try read(reading, room: 11 * 8).detailed == [1])
    let small = try read(reading, room: 11 * 4)
    #expect(small.heads == [[0, 1], [1, 1]] && small.chosen == [0, 1] && small.detailed.isEmpty)
    #expect(try read(reading, room: 0).heads == [[0, 1]])
  }

  @Test("no text of it can end the script's element")
  func markup() throws {
    let reading = try AttentionReading(
      rows: [1], tokens: ["</script><!--"], text: "</script><!--", spans: [0..<13],
      cells: [Cell(x0: 0, y0: 0, x1: 1, y1: 1)], layers: 1, headsPerLayer: 1,
      chosen: [Selection.Head(layer: 0, head: 0)])
    #expect(try !PageData(reading, size: (1, 1)).json().contains("<"))
  }
}
