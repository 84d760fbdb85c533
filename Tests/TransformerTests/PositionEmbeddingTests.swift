import Kernels
import Testing

@testable import Transformer

@Suite("Position embedding")
struct PositionEmbeddingTests {
  private let backend: any Backend
  private static let columns = 5

  init() throws { backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2)) }

  private func added(_ positions: PositionEmbedding, _ places: [PositionEmbedding.Place?]) -> [Float] {
    let hidden = backend.tensor(rows: places.count, columns: Self.columns)
    backend.zero(hidden)
    positions.add(to: hidden, places: places, scratch: ScratchTensor(), on: backend)
    return backend.read(hidden)
  }

  private func places(rows: Int, columns: Int) -> [PositionEmbedding.Place] {
    (0..<rows).flatMap { row in
      (0..<columns).map { PositionEmbedding.Place(row: row, column: $0, rows: rows, columns: columns) }
    }
  }

  @Test("learned positions are the table's rows, behind that of a class token where there is one")
  func learned() throws {
    var random = RandomModel()
    let table = random.numbers(7 * Self.columns)
    let all = places(rows: 2, columns: 3)
    let whole = added(.learned(Tensor(table, rows: 7)), [nil] + all)
    #expect(whole == table)
    let plain = added(.learned(Tensor(Array(table.prefix(6 * Self.columns)), rows: 6)), all + all)
    #expect(plain == Array(table.prefix(6 * Self.columns)) + Array(table.prefix(6 * Self.columns)))
    #expect(added(.none, all).allSatisfy { $0 == 0 })
  }

  @Test(
    "interpolated positions equal a bilinear sample in float64", arguments: [(1, 1), (1, 6), (5, 3), (4, 4), (9, 2)])
  func interpolated(rows: Int, columns: Int) throws {
    var random = RandomModel()
    let side = 4
    let table = random.numbers(side * side * Self.columns)
    let found = added(
      .interpolated(Tensor(table, rows: side * side), side: side), places(rows: rows, columns: columns))
    func at(_ i: Int, _ n: Int) -> Double { n > 1 ? Double(i) * Double(side - 1) / Double(n - 1) : 0 }
    for (place, row) in places(rows: rows, columns: columns).enumerated() {
      let (y, x) = (at(row.row, rows), at(row.column, columns))
      for column in 0..<Self.columns {
        var expected = 0.0
        for (i, j) in (0..<side).flatMap({ i in (0..<side).map { (i, $0) } }) {
          let weight = max(0, 1 - abs(y - Double(i))) * max(0, 1 - abs(x - Double(j)))
          expected += weight * Double(table[(i * side + j) * Self.columns + column])
        }
        #expect(abs(Double(found[place * Self.columns + column]) - expected) < 1e-5)
      }
    }
  }
}
