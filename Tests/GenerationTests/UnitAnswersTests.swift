import Jobs
import Testing

@testable import Generation

@Suite("Answers of a unit")
struct UnitAnswersTests {
  private let answers = UnitAnswers(
    imageID: 7,
    outcomes: [
      AnswerOutcome(id: 70, kind: .answered("ein großer Hund ☕")), AnswerOutcome(id: 71, kind: .skipped(reason: "why")),
      AnswerOutcome(id: .max, kind: .answered("")),
    ])

  @Test("what is encoded is decoded the same; bytes cut anywhere, and bytes too many, are refused")
  func roundTrip() throws {
    let bytes = answers.encode()
    #expect(try UnitAnswers(decoding: bytes) == answers)
    for count in bytes.indices {
      #expect(throws: JobError.self, "\(count) bytes") { try UnitAnswers(decoding: Array(bytes[..<count])) }
    }
    #expect(throws: JobError.self) { try UnitAnswers(decoding: bytes + [0]) }
  }

  @Test("no bytes make it trap", arguments: [Int.min, -1, 2, Int.max])
  func lies(number: Int) throws {
    let bytes = answers.encode()
    for at in 0..<bytes.count - 8 {
      var lying = bytes
      withUnsafeBytes(of: Int64(number).littleEndian) { lying.replaceSubrange(at..<at + 8, with: $0) }
      do { _ = try UnitAnswers(decoding: lying) } catch { #expect(error is JobError) }
    }
  }
}
