import Foundation
import IO
import Safetensors
import Testing

@Suite("Sampled bytes of a checkpoint")
struct SampleDigestTests {
  /// Tensors b (10,000 bytes) and a (5 bytes), and what changes of them.
  private func digest(_ change: (inout [UInt8]) -> Void = { _ in }) throws -> (digest: String, data: [UInt8]) {
    let folder = try TemporaryFolder()
    var data = (0..<10_005).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    change(&data)
    let header = "{\(entry("b", 0, 10_000)),\(entry("a", 10_000, 10_005))}"
    try folder.write(
      littleEndian(UInt64(header.utf8.count)) + Array(header.utf8) + data, as: "model.safetensors")
    return (try SafetensorsCheckpoint(folder: folder.url).sampleDigest(), data)
  }

  @Test("are small tensors whole, and 64 pieces of 64 bytes of larger ones, the first and the last among them")
  func definition() throws {
    let (found, data) = try digest()
    var bytes = Array(data[10_000...])
    for piece in 0..<64 {
      let first = piece * (10_000 - 64) / 63
      bytes += data[first..<first + 64]
    }
    #expect(try found == bytes.withUnsafeBytes { try SHA256.hex(of: $0) })
  }

  @Test("tell another model of the same shapes from this one")
  func changes() throws {
    let own = try digest().digest
    #expect(try digest { $0[0] ^= 1 }.digest != own)
    #expect(try digest { $0[9_999] ^= 1 }.digest != own)
    #expect(try digest { $0[10_004] ^= 1 }.digest != own)
    #expect(try digest { for place in $0.indices { $0[place] &+= 1 } }.digest != own)
    // Between two pieces: this is a sample.
    #expect(try digest { $0[100] ^= 1 }.digest == own)
  }
}
