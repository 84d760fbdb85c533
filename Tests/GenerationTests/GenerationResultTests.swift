import RunSupport
import Testing

@testable import Generation

@Suite("Result of a unit")
struct GenerationResultTests {
  private let result = GenerationResult(
    imageID: 7,
    outcomes: [
      GenerationResult.Outcome(id: 70, found: "ein großer Hund ☕"),
      GenerationResult.Outcome(id: 71, skip: SkipReason(.text, "why")),
      GenerationResult.Outcome(id: .max, found: ""),
    ])

  @Test("what is encoded is decoded the same; bytes that are cut, and other JSON, are refused")
  func roundTrip() throws {
    let bytes = try result.encode()
    #expect(try GenerationResult(decoding: bytes) == result)
    #expect(result.skipped.map(\.id) == [71])
    for count in bytes.indices {
      #expect(throws: JobError.self, "\(count) bytes") { try GenerationResult(decoding: Array(bytes[..<count])) }
    }
    for json in [
      "{}", "[]", #"{"imageID": "x", "outcomes": []}"#, #"{"imageID": 1e30, "outcomes": []}"#,
      // As an older build of this version wrote it: it must not seem that there is no text.
      #"{"imageID": 7, "outcomes": [{"id": 70, "text": "a dog"}]}"#,
      #"{"imageID": 7, "outcomes": [{"id": 70, "found": "a dog", "skip": {"kind": "text", "text": "why"}}]}"#,
    ] {
      #expect(throws: JobError.self, "\(json)") { try GenerationResult(decoding: Array(json.utf8)) }
    }
  }
}
