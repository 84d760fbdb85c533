import Foundation
import TestSupport

@testable import ImageInput

let goldenFolder = Repository.root.appendingPathComponent("tools/goldens/images")
let sampleFolder = SharedData.file("coco-sample/images")

func fixture(_ name: String) -> URL { goldenFolder.appendingPathComponent("fixtures").appendingPathComponent(name) }
func bytes(of url: URL) throws -> [UInt8] { [UInt8](try Data(contentsOf: url)) }

/// What make.py wrote of Pillow's and transformers' results.
struct Goldens: Decodable {
  struct Picture: Decodable {
    struct Resized: Decodable {
      let width: Int
      let height: Int
      let crc32: UInt32
    }
    let file: String
    let width: Int
    let height: Int
    let crc32: UInt32
    let resized: [Resized]
  }

  let fixtures: [Picture]
  let sample: [Picture]

  static func load() throws -> Goldens {
    try JSONDecoder().decode(
      Goldens.self, from: Data(contentsOf: goldenFolder.appendingPathComponent("images.json")))
  }
}
