import Foundation

@testable import COCO

/// The repository's root, from where this file was compiled.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()
let sharedData = repository.appendingPathComponent("../shared/data").standardizedFileURL

func sharedFile(_ path: String) -> URL { sharedData.appendingPathComponent(path) }
func isPresent(_ path: String) -> Bool { FileManager.default.fileExists(atPath: sharedFile(path).path) }

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
    let url = repository.appendingPathComponent("tools/goldens/images/masks.json")
    return try JSONDecoder().decode(MaskGoldens.self, from: Data(contentsOf: url))
  }
}

private let crcTable = (0..<256).map { byte in
  (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xedb8_8320 : 0) }
}

func crc32(_ bytes: [UInt8]) -> UInt32 {
  ~bytes.reduce(~UInt32(0)) { crc, byte in crc >> 8 ^ crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
}

/// The description of the error that `body` throws; nil where it throws none.
func failure(_ body: () throws -> some Any) -> String? {
  do {
    _ = try body()
    return nil
  } catch { return "\(error)" }
}
