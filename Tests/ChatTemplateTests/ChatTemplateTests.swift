import Testing

@testable import ChatTemplate

@Test func dictionariesKeepOrderAndTheLastValue() {
  let dictionary = TemplateDictionary([("b", 1), ("a", 2), ("b", 3)])
  #expect(dictionary.pairs.map(\.name) == ["b", "a"])
  guard case .integer(3)? = dictionary["b"] else {
    Issue.record("the later value counts")
    return
  }
}
