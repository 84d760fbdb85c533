import COCO
import Foundation
import TestSupport
import Testing

@testable import Evaluation

@Suite("Words of captions")
struct TokenizerTests {
  @Test("hard strings become the tokens that Stanford's tokenizer makes of them")
  func goldens() throws {
    let golden = try decode([[String]].self, goldenFile("tokens.json"))
    #expect(golden.count > 3000)
    let made = tokens(golden.map { $0[0] })
    let wrong = zip(golden, made).filter { Array($0[1].utf8) != Array($1.utf8) }
    #expect(wrong.isEmpty, "\(wrong.prefix(5))")
  }

  @Test(
    "real captions become the tokens of coco-caption", .enabled(if: hasMetricsData, "\(SharedData.absence)"),
    arguments: captionSets)
  func captions(set: String) throws {
    struct Tokenized: Decodable {
      let references: [String: [String]]
      let candidates: [String: String]
    }
    let folder = metricsData.appendingPathComponent("captions/\(set)")
    let expected = try decode(Tokenized.self, folder.appendingPathComponent("tokenized.json"))
    let references = try CaptionReferences(contentsOf: folder.appendingPathComponent("references.json"))
    #expect(
      tokens(references.images.flatMap(\.texts)) == references.images.flatMap { expected.references["\($0.id)"] ?? [] })
    let results = try GeneratedTexts(contentsOf: folder.appendingPathComponent("candidates.json"), kind: .captions)
    #expect(tokens(results.entries.map(\.text)) == results.entries.map { expected.candidates["\($0.id)"] ?? "?" })
  }

  @Test(
    "punctuation goes, clitics are cut, the case is lost",
    arguments: [
      ("A man's hat isn't big!", "a man 's hat is n't big"), ("Cannot (go)", "can not -lrb- go -rrb-"),
      ("what?!", "what ?!"), ("3.5, 1/2 and 10-year-old", "3.5 1/2 and 10-year-old"),
      ("the U.S. flag.", "the u.s. flag"),
      ("", ""), (" \n\t ", ""), ("... -- '", ""), ("a\nb", "a b"), ("£5", "# 5"), ("ΑΒΓ é", "αβγ é"), ("x 😀 y", "x y"),
    ])
  func examples(text: String, expected: String) { #expect(tokens([text]) == [expected]) }

  @Test("whether a last letter keeps its full stop depends on the caption after it")
  func nextCaption() {
    #expect(tokens(["vitamin c.", "A dog"]) == ["vitamin c", "a dog"])
    #expect(tokens(["vitamin c.", "a dog"]) == ["vitamin c.", "a dog"])
    #expect(tokens(["sign no.", "5 dogs"]) == ["sign no.", "5 dogs"])
    #expect(tokens(["sign no.", "five dogs"]) == ["sign no", "five dogs"])
    #expect(tokens(["vitamin c. ", " ", "  The dog"]) == ["vitamin c", "", "the dog"])
    #expect(tokens(["vitamin c.", "<b> dog"]) == ["vitamin c", "<b> dog"])
    #expect(tokens(["sign no.", "  5 dogs"]) == ["sign no", "5 dogs"])
  }

  @Test("the quoted value of a tag may end in a later caption, whose rest follows")
  func tagsOverCaptions() {
    #expect(tokens(["a <p x=\"", "B b\"> c", "d"]) == ["a <p\u{a0}x=\"", "b\u{a0}b\"> c", "d"])
    #expect(tokens(["a <p x='b ", "", " . ", "c'> d."]) == ["a <p\u{a0}x='b", "", "\u{a0}.", "c'> d."])
    #expect(tokens(["a <p x=\"b", "c"]) == ["a < p x = b", "c"])
    #expect(tokens(["a <p x=\"b", "c\"", "> d"]) == ["a < p x = b", "c", "> d"])
  }

  @Test(
    "what a space is, and where a hyphen belongs",
    arguments: [
      ("<b\ta> x", "< b a > x"), ("b.  <b> x", "b <b> x"), ("b.\u{3000}The cat", "b the cat"), ("x@y\u{1d}", "x@y"),
      ("a\u{2010}b", "a\u{2010}b"), ("a\u{2011}", "a"), ("5\u{2010}6", "5\u{2010}6"), ("\u{20a4}5", "\u{20a4} 5"),
      ("a\u{84}b", "a b"), ("*\u{b3}", "* \u{b3}"),
    ])
  func spacesAndHyphens(text: String, expected: String) { #expect(tokens([text]) == [expected]) }

  @Test("a token with a space inside is one word to ROUGE-L and two to BLEU")
  func spaces() {
    var tokenizer = PTBTokenizer()
    let texts = TokenizedTexts(["1 1/2 cups", "a cup"], &tokenizer)
    #expect(texts.tokens(0).map { tokenizer.text(of: $0) } == ["1\u{a0}1/2", "cups"])
    #expect(texts.words(0).map { tokenizer.text(of: $0) } == ["1", "1/2", "cups"])
    #expect(texts.words(1) == texts.tokens(1))
    let tags = TokenizedTexts(["<b a=\"1\t2\u{2003}3\">"], &tokenizer)
    #expect(tags.tokens(0).count == 1)
    #expect(tags.words(0).map { tokenizer.text(of: $0) } == ["<b", "a=\"1", "2", "3\">"])
  }
}
