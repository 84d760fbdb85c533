import HeadImpact
import Testing

@Suite("Layer lists")
struct LayerListTests {
  @Test(
    "single layers, ranges and all, in the order named",
    arguments: [
      ("3,5", [3, 5]), ("1-3", [1, 2, 3]), ("all", [0, 1, 2, 3, 4, 5]), (" 5, 0-1 ", [5, 0, 1]), ("2-2", [2]),
      ("1,1", [1, 1]),
    ])
  func layers(_ text: String, _ layers: [Int]) throws {
    #expect(try LayerList(parsing: text).layers(of: 6) == layers)
  }

  @Test(
    "what is no list is refused, and the part quoted",
    arguments: ["", "1,", "a", "-1", "1-", "1-2-3", "3-1", "+1", "1;2", "ALL", "99999999999999999999"])
  func refused(_ text: String) {
    #expect(throws: HeadImpactError.self) { try LayerList(parsing: text) }
  }

  @Test("a layer that the model hasn't is named, however long the range")
  func missing() throws {
    let list = try LayerList(parsing: "2-999999999999")
    #expect(
      throws: HeadImpactError("there is no layer 6: the model has 6, numbered from 0")
    ) { try list.layers(of: 6) }
    #expect(list.description == "2-999999999999")
  }
}
