import IO
import Testing

@Suite("Counts in words")
struct CountedTests {
  @Test(
    "a noun and a verb agree with their number",
    arguments: [(0, "0 samples are"), (1, "1 sample is"), (2, "2 samples are"), (1000, "1000 samples are")])
  func agreement(count: Int, text: String) {
    #expect("\(counted(count, "sample")) \(agreeing(with: count, "is", "are"))" == text)
  }

  @Test("a noun may have a plural of its own")
  func plural() {
    #expect(
      counted(1, "category", "categories") == "1 category" && counted(3, "category", "categories") == "3 categories")
  }
}
