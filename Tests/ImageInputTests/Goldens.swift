import Foundation

@testable import ImageInput

let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()
let goldenFolder = repository.appendingPathComponent("tools/goldens/images")
let sampleFolder = repository.appendingPathComponent("../shared/data/coco-sample/images").standardizedFileURL
let sampleIsPresent = FileManager.default.fileExists(atPath: sampleFolder.path)

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

private let crcTable = (0..<256).map { byte in
  (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xedb8_8320 : 0) }
}

func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
  ~bytes.reduce(~UInt32(0)) { crc, byte in crc >> 8 ^ crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
}

/// The description of the error that `body` throws; nil where it throws none.
func failure(_ body: () throws -> some Any) -> String? {
  do {
    _ = try body()
    return nil
  } catch { return "\(error)" }
}
