import Foundation
import Testing

@testable import Demonstration

/// What `tools/demo-model/scenes.py golden` wrote.
struct GoldenScene: Decodable, Sendable, CustomTestStringConvertible {
  let seed: UInt64
  let pixels: UInt32
  let owners: UInt32
  let areas: [Int]
  let boxes: [[Int]]
  let description: String
  let questions: [[String]]

  var testDescription: String { "seed \(seed)" }

  static func all() throws -> [GoldenScene] {
    let file = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../tools/demo-model/goldens/scenes.json")
    return try JSONDecoder().decode([GoldenScene].self, from: Data(contentsOf: file.standardizedFileURL))
  }
}

/// The CRC-32 of zlib and PNG.
func crc32(_ bytes: [UInt8]) -> UInt32 {
  let table: [UInt32] = (0..<256).map { byte in
    var value = UInt32(byte)
    for _ in 0..<8 {
      let isOdd = value & 1 == 1
      value >>= 1
      if isOdd { value ^= 0xEDB8_8320 }
    }
    return value
  }
  var sum = ~UInt32(0)
  for byte in bytes {
    sum = table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ (sum >> 8)
  }
  return ~sum
}

@Suite("Scenes")
struct SceneTests {
  @Test("a seed's pixels are those that the training program draws", arguments: try GoldenScene.all())
  func pixels(golden: GoldenScene) {
    #expect(crc32(Scene(seed: golden.seed).draw().pixels) == golden.pixels)
  }

  @Test("a seed's masks are those that the training program draws", arguments: try GoldenScene.all())
  func owners(golden: GoldenScene) {
    let scene = Scene(seed: golden.seed)
    let owners = scene.draw().owners
    #expect(scene.things.map { [$0.x, $0.y, $0.side] } == golden.boxes)
    #expect(scene.things.indices.map { index in owners.count { $0 == UInt8(index + 1) } } == golden.areas)
    #expect(crc32(owners) == golden.owners)
  }

  @Test("a seed's description and questions are the training program's", arguments: try GoldenScene.all())
  func words(golden: GoldenScene) {
    let scene = Scene(seed: golden.seed)
    #expect(scene.description() == golden.description)
    #expect(scene.questions().map { [$0.question, $0.answer] } == golden.questions)
  }

  @Test("the key object is the largest by far, and nothing lies over anything")
  func keyObject() throws {
    for seed in DemoDataset.Split.test.firstSeed..<(DemoDataset.Split.test.firstSeed + 200) {
      let scene = Scene(seed: seed)
      let owners = scene.draw().owners
      let areas = scene.things.indices.map { index in owners.count { $0 == UInt8(index + 1) } }
      for area in areas.dropFirst() {
        #expect(Double(areas[0]) >= 1.4 * Double(area), "seed \(seed)")
      }
      for (index, thing) in scene.things.enumerated() {
        #expect(scene.things[..<index].allSatisfy(thing.isApart), "seed \(seed)")
        #expect(thing.x >= 0 && thing.x + thing.side <= Scene.side, "seed \(seed)")
        #expect(thing.y >= 0 && thing.y + thing.side <= Scene.side, "seed \(seed)")
      }
    }
  }

  @Test("all words are drawn about equally often")
  func distribution() {
    let scenes = (0..<1800).map { Scene(seed: UInt64($0)) }
    func check<Value: CaseIterable & Hashable>(_ of: (Scene) -> Value) {
      let counts = Dictionary(grouping: scenes, by: of).mapValues(\.count)
      let expected = Double(scenes.count) / Double(Value.allCases.count)
      for value in Value.allCases {
        #expect(abs(Double(counts[value] ?? 0) - expected) < 0.3 * expected, "\(value)")
      }
    }
    check(\.size)
    check(\.position)
    check(\.keyObject.shape)
    check(\.keyObject.colour)
    check(\.keyObject.texture)
  }

  @Test("the shifted wording says the same in other words")
  func shifted() throws {
    let scene = Scene(seed: 7)
    let taught = scene.description().split(separator: " ")
    let shifted = scene.description(.shifted)
    #expect(shifted.contains(": one ") && shifted.contains(taught[1]) && shifted.contains(taught[4]))
    #expect(!shifted.contains(taught[3]), "the colour has another name")
    #expect(Set(SceneColour.allCases.map { $0.name(.shifted) }).isDisjoint(with: SceneColour.allCases.map(\.rawValue)))
    #expect(scene.questions(.shifted)[0].answer == scene.keyObject.colour.name(.shifted))
    #expect(scene.questions(.shifted)[1] == scene.questions()[1])
  }
}
