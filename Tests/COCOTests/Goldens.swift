import Foundation
import TestSupport

@testable import COCO

struct MaskGolden: Decodable {
  let name: String?
  let height: Int
  let width: Int
  let polygons: [[Double]]?
  let area: Int
  let bbox: [Int]
  let crc32: UInt32
  let counts: String
}

struct MaskGoldens: Decodable {
  let polygons: [MaskGolden]
  let runs: [MaskGolden]

  static func load() throws -> MaskGoldens {
    let url = Repository.root.appendingPathComponent("tools/goldens/images/masks.json")
    return try JSONDecoder().decode(MaskGoldens.self, from: Data(contentsOf: url))
  }
}
