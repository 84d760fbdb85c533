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

  struct Patches: Decodable {
    let file: String
    let grid: [Int]
    let shape: [Int]
    let crc32: UInt32
    let at: [Int]
    let values: [Double]
    let sum: Double
  }

  let fixtures: [Picture]
  let patches: [Patches]
  let sample: [Picture]
  let sample_patches: [Patches]

  static func load() throws -> (goldens: Goldens, configurations: [Data]) {
    let data = try Data(contentsOf: goldenFolder.appendingPathComponent("images.json"))
    let root = try JSONSerialization.jsonObject(with: data) as? [String: Any]
    let patches = root?["patches"] as? [[String: Any]] ?? []
    return (
      try JSONDecoder().decode(Goldens.self, from: data),
      try patches.map { try JSONSerialization.data(withJSONObject: $0["configuration"] ?? [:]) }
    )
  }
}
