import HeadImpact
import Testing

@testable import KeyObjects

private func phrases(_ caption: String) -> [String] { NounPhrase.all(in: caption).map(\.text) }

@Suite("Noun phrases of captions")
struct NounPhraseTests {
  @Test(
    "a phrase runs from its article to the category's word",
    arguments: [
      ("A black cat on a wooden table in front of a laptop.", ["a black cat", "a wooden table", "a laptop"]),
      ("The man is holding an old umbrella", ["the man", "an old umbrella"]),
      (
        "A black and white cat laying across the keyboard of a laptop.",
        ["a black and white cat", "the keyboard", "a laptop"]
      ),
      ("A MAN IS STANDING IN HIS KITCHEN HOLDING A YELLOW KITE", ["a man", "a yellow kite"]),
      ("Red double decker bus parked", ["a red double decker bus"]),
      ("a flying bird over sand", ["a flying bird"]),
      ("A man's bike and the dogs' bowl", ["a bike", "a bowl"]),
      ("A TV next to an SUV", ["a TV", "an SUV"]),
      ("A fork, a knife and a spoon", ["a fork", "a knife", "a spoon"]),
    ])
  func runs(caption: String, expected: [String]) { #expect(phrases(caption) == expected) }

  @Test(
    "what a person wears belongs to the phrase",
    arguments: [
      ("A girl in a white jacket is snowboarding", ["a girl in a white jacket"]),
      ("A woman in white jacket snowboarding", ["a woman in a white jacket"]),
      ("A person in red pants stands", ["a person in red pants"]),
      ("A man in a room", ["a man"]), ("A man in a hat shop", ["a man"]), ("a man in", ["a man"]),
    ])
  func clothing(caption: String, expected: [String]) { #expect(phrases(caption) == expected) }

  @Test(
    "a word that is part of another object's name is not a mention",
    arguments: [
      "a tall clock tower", "A train station at night", "a coffee table", "a bus stop", "a hot dog cart", "a dog house",
      "some orange flowers", "a game of baseball", "a train crossing", "A street sign", "a man's hat",
      "a cutting board", "an ironing board", "a trolley car", "a tv stand", "a boat ride", "a bed of ice",
      "a bag of chips", "a cake topped plate", "an orange checkered shirt", "a man made lake", "a bike show event",
      "cake frosting",
    ])
  func compounds(caption: String) { #expect(phrases(caption) == []) }

  @Test("the longest name counts: a hot dog is not a dog, a teddy bear not a bear")
  func longest() {
    #expect(NounPhrase.all(in: "a hot dog and a teddy bear").map(\.categories) == [["hot dog"], ["teddy bear"]])
  }

  @Test(
    "of several objects the phrase speaks of one",
    arguments: [
      ("Two brown dogs", "a brown dog"), ("three men riding", "a man"), ("A group of people", "a person"),
      ("several knives", "a knife"), ("two sheep", "a sheep"), ("a herd of cattle", "a cow"),
      ("a couple of elephants", "an elephant"), ("several different coloured kites", "a kite"),
      ("various small boats", "a small boat"), ("three similar red cars", "a car"),
      ("two black and white cows", "a cow"),
      ("the other horse", "a horse"), ("every bird", "a bird"), ("two men in suits", "a man"),
    ])
  func plurals(caption: String, expected: String) throws {
    let phrase = try #require(NounPhrase.all(in: caption).first)
    #expect(phrase.text == expected)
    #expect(phrase.isPlural)
  }

  @Test(
    "a phrase keeps the words that are known to describe its noun, from the noun on",
    arguments: [
      ("On a narrow street person after person walks", "a person"), ("a shower toilet", "a toilet"),
      ("two women in a kitchen bottles and lights", "a bottle"), ("a two year old boy", "a boy"),
      ("a zorb red bus", "a red bus"), ("a person riding horses", "a horse"), ("the dog spotted cats", "a cat"),
      ("a very large dog", "a very large dog"), ("a brightly painted truck", "a brightly painted truck"),
      ("a light blue car", "a light blue car"), ("a cream colored cat", "a cream colored cat"),
      ("a coloured suitcase", "a suitcase"), ("a long-haired cat", "a long-haired cat"),
      ("a ham sandwich", "a ham sandwich"), ("a city bus", "a city bus"), ("a Black Cat", "a black cat"),
      ("an Italian car", "an Italian car"),
    ])
  func known(caption: String, expected: String) { #expect(phrases(caption).last == expected) }

  @Test(
    "adjectives in a row stay together, or none is kept",
    arguments: [
      ("a red, white and blue striped bus", "a red, white and blue striped bus"),
      ("a red, white, and blue bus", "a red, white, and blue bus"), ("a tall, thin man", "a tall, thin man"),
      ("an orange and white cat", "an orange and white cat"),
      ("the sky is blue, green bus", "a bus"), ("a dog, black cat", "a black cat"),
    ])
  func rows(caption: String, expected: String) { #expect(phrases(caption).last == expected) }

  @Test(
    "what the caption says is not there is no mention",
    arguments: ["no people", "A no bicycles sign", "a man without skis", "it is not a dog", "no red cars"])
  func negated(caption: String) { #expect(phrases(caption).filter { $0 != "a man" } == []) }

  @Test(
    "the article is the caption's, except for a slip",
    arguments: [
      ("a utility truck", "a utility truck"), ("an unusual clock", "an unusual clock"), ("the dog", "the dog"),
      ("a historic clock", "a historic clock"), ("an historic clock", "an historic clock"),
      ("a elephant", "an elephant"), ("an brown dog", "a brown dog"), ("his umbrella", "an umbrella"),
    ])
  func captionsArticle(caption: String, expected: String) { #expect(phrases(caption) == [expected]) }

  @Test("a comparison is kept apart: only the right object has it")
  func comparisons() throws {
    let phrase = try #require(NounPhrase.all(in: "the smaller giraffe").first)
    #expect(phrase.text == "a giraffe" && phrase.isPlural)
    #expect(phrase.comparison == .init(size: .smallest, isOfTwo: true, text: "the smaller giraffe"))
    #expect(NounPhrase.all(in: "a second and larger horse").first?.comparison?.text == "the larger horse")
    #expect(NounPhrase.all(in: "the biggest brown dog").first?.comparison?.text == "the biggest brown dog")
    #expect(NounPhrase.all(in: "the left dog").first?.comparison == nil)
    #expect(phrases("the left dog") == ["a dog"])
  }

  @Test("verbs that look like nouns are none", arguments: ["a man cooks", "ready to load passengers", "up to bat"])
  func verbs(caption: String) {
    #expect(!phrases(caption).contains { $0.contains("cook") || $0.contains("load") || $0.contains("bat") })
  }

  @Test(
    "the article follows the sound",
    arguments: [
      ("umbrella", "an"), ("unicorn", "a"), ("urinal", "a"), ("hourglass", "an"), ("horse", "a"), ("suv", "an"),
      ("one", "a"),
      ("11th", "an"), ("", "a"),
    ])
  func article(word: String, expected: String) { #expect(Article.indefinite(before: word) == expected) }

  @Test("every category of COCO has words, and its own name is one of them")
  func table() {
    let names = """
      person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,bird,\
      cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,\
      sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,\
      bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,\
      toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,\
      teddy bear,hair drier,toothbrush
      """.split(separator: ",").map(String.init)
    #expect(names.count == 80)
    for name in names where name != "sports ball" {
      #expect(CategoryWords.coco[name]?.categories.contains(name) == true, "\(name)")
    }
    #expect(CategoryWords.coco["tennis ball"]?.categories == ["sports ball"])
  }

  @Test(
    "malformed captions have no phrases, and cause no errors",
    arguments: [
      "", " ", "...", "'", "-", "a", "the the the", "\u{0}", "a 🐕", ",,,", "and", "a , and", "of", "-ed", "a-",
    ])
  func odd(caption: String) { #expect(phrases(caption) == []) }

  @Test("captions of any words in any order have phrases with an article, and cause no errors")
  func random() {
    let words = """
      a an the two no not very and , & . - ' red blue zorb parked flying slowly smaller other various colored old year \
      dog dogs orange board skis scissors man in wearing shirt of bed tv stand made men's 2 É 🐕 half-eaten
      """.split { $0.isWhitespace }
    let lots = SplitMix64(seed: 14)
    for caption in 0..<3000 as Range<UInt64> {
      let text = (0..<lots[caption] % 12).map { String(words[Int(lots[caption << 8 + $0 + 1] % UInt64(words.count))]) }
        .joined(separator: " ")
      for phrase in NounPhrase.all(in: text) {
        #expect(["a", "an", "the"].contains(phrase.text.prefix { $0 != " " }), "\(text): \(phrase.text)")
        #expect(!phrase.text.contains("  ") && !phrase.text.contains(" ,") && !phrase.text.hasSuffix(" "), "\(text)")
      }
    }
  }
}

@Suite("Descriptions")
struct CaptionMentionTests {
  private func description(_ captions: [String], of category: String, present: [String: Int]) -> String? {
    CaptionMentions(captions.enumerated().map { (Int64($0), $1) }, present: present).description(of: category)?.text
  }

  @Test("the word that most captions use wins, then the longer phrase")
  func vote() {
    let captions = ["a kitty", "a cat", "a black cat", "a sleeping kitten that is very young"]
    #expect(description(captions, of: "cat", present: ["cat": 1]) == "a black cat")
  }

  @Test("one object is better described by a phrase about one")
  func singularFirst() {
    #expect(description(["two very large dogs", "a dog"], of: "dog", present: ["dog": 2]) == "a dog")
  }

  @Test("where captions tell two objects of a category apart, neither phrase is taken")
  func ambiguous() {
    #expect(description(["a man and a woman"], of: "person", present: ["person": 2]) == nil)
    #expect(description(["a man and a woman", "a man"], of: "person", present: ["person": 1]) == "a man")
    #expect(description(["a tennis player", "a man"], of: "person", present: ["person": 2]) == "a tennis player")
  }

  @Test("where as many captions say one thing as another, what goes with both remains")
  func tie() {
    #expect(description(["a man", "a woman"], of: "person", present: ["person": 1]) == nil)
    #expect(description(["a man", "a woman", "a skier"], of: "person", present: ["person": 1]) == "a skier")
    #expect(description(["a man", "a woman", "a tall man"], of: "person", present: ["person": 1]) == "a tall man")
  }

  @Test("only sizes that the outlines confirm tell objects apart")
  func distinctions() {
    func distinction(_ caption: String, _ rank: SizeRank) -> String? {
      CaptionMentions([(1, caption)], present: ["dog": rank.count]).distinction(of: "dog", rank)?.text
    }
    let large = SizeRank(count: 2, isLargest: true, isSmallest: false)
    #expect(distinction("the larger dog runs", large) == "the larger dog")
    #expect(distinction("the smaller dog runs", large) == nil)
    #expect(distinction("a large dog runs", large) == nil)
    #expect(distinction("the left dog runs", large) == nil)
    #expect(distinction("the larger dog runs", SizeRank(count: 3, isLargest: true, isSmallest: false)) == nil)
    #expect(distinction("the largest dog", SizeRank(count: 3, isLargest: true, isSmallest: false)) == "the largest dog")
    #expect(distinction("the larger dog runs", SizeRank(count: 2, isLargest: false, isSmallest: false)) == nil)
  }

  @Test("a word of two categories is about the one that the image has")
  func sharedWord() {
    #expect(description(["a red bike"], of: "motorcycle", present: ["motorcycle": 1]) == "a red bike")
    #expect(description(["a red bike"], of: "motorcycle", present: ["motorcycle": 1, "bicycle": 1]) == nil)
  }

  @Test("a category's own name has its article")
  func indefinite() {
    #expect(ObjectDescription(category: "apple").text == "an apple")
    #expect(ObjectDescription(category: "scissors").text == "a pair of scissors")
    #expect(ObjectDescription(category: "broccoli").text == "a piece of broccoli")
  }
}
