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
  }

  @Test("a token with a space inside is one word to ROUGE-L and two to BLEU")
  func spaces() {
    var tokenizer = PTBTokenizer()
    let texts = TokenizedTexts(["1 1/2 cups", "a cup"], &tokenizer)
    #expect(texts.tokens(0).map { tokenizer.text(of: $0) } == ["1\u{a0}1/2", "cups"])
    #expect(texts.words(0).map { tokenizer.text(of: $0) } == ["1", "1/2", "cups"])
    #expect(texts.words(1) == texts.tokens(1))
  }
}
