import RunSupport
import Testing

@Suite("Near names")
struct NearNameTests {
  @Test(
    "names that take few changes, or contain the name, are near",
    arguments: [
      ("dogs", ["dog", "hot dog"]), ("tabel", ["table", "dining table"]), ("table", ["table", "dining table"]),
      ("unicorn", []),
      ("", []),
    ])
  func near(name: String, expected: [String]) {
    let known = ["dog", "hot dog", "table", "dining table", "cat", "refrigerator"]
    #expect(NearNames.of(name, in: known) == expected)
  }
}
