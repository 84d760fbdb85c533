import Testing

@testable import HeadImpact

@Suite("One sample's result")
struct SampleImpactTests {
  @Test("what is encoded decodes to the same")
  func roundTrip() throws {
    let sample = try randomSample(-7, image: 1 << 40)
    #expect(try SampleImpact(decoding: sample.encode()) == sample)
  }

  @Test("the encoding is what its description says")
  func layout() throws {
    let bytes = try sample(258, layers: 1, heads: 1) { 1 }.encode()
    #expect(bytes.count == 60 + 8 * 19)
    #expect(Array(bytes[..<20]) == Array("HIsm".utf8) + [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0])
    #expect(Array(bytes[20..<28]) == [2, 1, 0, 0, 0, 0, 0, 0])
    #expect(Array(bytes[60..<68]) == [0, 0, 0, 0, 0, 0, 0xf0, 0x3f])
  }

  @Test("bytes cut anywhere, or with one too many, are refused")
  func cut() throws {
    let bytes = try sample(1, layers: 1, heads: 2) { 0.5 }.encode()
    for count in 0..<bytes.count {
      #expect(throws: HeadImpactError.self) { try SampleImpact(decoding: Array(bytes[..<count])) }
    }
    #expect(throws: HeadImpactError.self) { try SampleImpact(decoding: bytes + [0]) }
  }

  @Test(
    "a lying header is refused",
    arguments: [(0, "begins with"), (4, "version"), (8, "layers"), (12, "heads"), (16, "measures"), (44, "tokens")])
  func lies(at offset: Int, says: String) throws {
    var bytes = try sample(1, layers: 1, heads: 2) { 0.5 }.encode()
    for i in 0..<4 { bytes[offset + i] = 0xff }
    #expect { try SampleImpact(decoding: bytes) } throws: { "\($0)".contains(says) }
  }

  @Test("values outside [0, 1] are refused", arguments: [-0.1, 1.1, .nan, .infinity, -1e300])
  func values(_ bad: Double) {
    #expect { try sample(5, layers: 1, heads: 1) { bad } } throws: { "\($0)".contains("sample 5: hi[0]") }
  }
}
