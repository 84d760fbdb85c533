import IO
import RunSupport
import Testing

@testable import Scoring

@Suite("Results of a unit")
struct UnitResultTests {
  @Test("what is encoded is decoded the same, scores and reasons included")
  func roundTrip() throws {
    let result = try unitResult(image: 7)
    #expect(try UnitResult(decoding: result.encode()) == result)
    let empty = UnitResult(imageID: -1, picture: nil, outcomes: [])
    #expect(try UnitResult(decoding: empty.encode()) == empty)
  }

  @Test("bytes cut anywhere, and bytes too many, are refused")
  func cut() throws {
    let bytes = try unitResult(image: 7).encode()
    for count in bytes.indices {
      #expect(throws: (any Error).self, "\(count) bytes") { try UnitResult(decoding: Array(bytes[..<count])) }
    }
    #expect(throws: ByteCodingError.self) { try UnitResult(decoding: bytes + [0]) }
  }

  @Test("a result of another layout, as older programs' journals hold them, is refused")
  func otherLayout() throws {
    var older = ByteWriter()
    for number in [7, 0, 0] { older.integer(number) }
    #expect(throws: (any Error).self) { try UnitResult(decoding: older.bytes) }
    var other = ByteWriter()
    other.text("unit 3")
    for number in [7, 0, 0] { other.integer(number) }
    let error = #expect(throws: JobError.self) { try UnitResult(decoding: other.bytes) }
    #expect(error?.description.contains("another version") == true)
  }

  @Test("no bytes make it trap", arguments: [Int.min, -1, 2, Int.max])
  func lies(number: Int) throws {
    let bytes = try unitResult(image: 7).encode()
    // Every number of the frame lies at a multiple of 8 or not far from one: each place gets a lie.
    for at in 8..<bytes.count - 8 {
      var lying = bytes
      withUnsafeBytes(of: Int64(number).littleEndian) { lying.replaceSubrange(at..<at + 8, with: $0) }
      _ = try? UnitResult(decoding: lying)
    }
    var writer = ByteWriter()
    writer.integer(1)
    writer.integer(number)
    #expect(throws: (any Error).self) { try UnitResult(decoding: writer.bytes) }
  }
}
