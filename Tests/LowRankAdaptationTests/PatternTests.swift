import Foundation
import TestSupport
import Testing
import Tokenization

@testable import LowRankAdaptation

@Suite("Python's regular expressions")
struct PatternTests {
  private static let query = "model.language_model.layers.11.self_attn.q_proj"

  @Test(
    "they match what re.fullmatch matches",
    arguments: [
      (".*language_model.*(q_proj|v_proj)", true), (#"^(?!.*visual).*(?:q_proj|k_proj).*"#, true),
      (#"(?:.*?(?:language|text).*?(?:self_attn|mlp).*?(?:q_proj|v_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.q)"#, true),
      ("q_proj", false), (".*q_pro", false), (".*q_proj$", true), (#".*\Z"#, true), (#"\Amodel.*"#, true),
      ("(?i).*Q_PROJ", true), (".*(?i:Q)_proj", true), (".*1{,2}.self_attn.*", true), (".*1{,0}.self_attn.*", true),
      (".*1{2}.self_attn.*", true), (".*1{3,}.self_attn.*", false), ("x{", false),
      ("[]m]odel.*", true), ("[[:alpha:]]odel.*", false), ("[^]x]odel.*", true), (".*(?P<name>q)_proj", true),
      (".*(?#a comment)q_proj", true), (".*(?<=self_attn.)q_proj", true), (".*(?>q_p)roj", true), (#"[\w.]+"#, true),
      (#"model\x2elanguage.*"#, true), ("modelxlanguage.*", false), ("a|.*", true), ("", false),
    ])
  func matching(_ pattern: String, _ isMatch: Bool) throws {
    #expect(try PythonPattern.whole(pattern).matches(Self.query) == isMatch)
  }

  @Test(
    "what Python reads otherwise, or doesn't know, is refused",
    arguments: [
      #"(.)\1"#, #"\Qx\E"#, #"\K"#, #"\R"#, #"\h"#, #"\p{L}"#, #"\N{DIGIT ONE}"#, #"\G"#, #"\x{41}"#,
      #"\u0041"#, #"\0"#,
      "(?R)", "(?1)", "(?|a|b)", "(?<name>x)", "(?&name)", "(*UTF)x", "(*FAIL)", "(?(1)a|b)", "(?P=name)", "(?P>name)",
      "x(?i)y", "(?x: a b)", "(?C1)", "[", "(", ")", "*", #"\"#, "(?#", #"[\A]"#, "a{70000}", "(?", "(?i",
      "((((a{1000}){1000}){1000}){1000})",
    ])
  func refusals(_ pattern: String) {
    #expect(throws: RegularExpression.Invalid.self) { try PythonPattern.whole(pattern) }
  }

  private struct Generated: Decodable {
    let names: [String]
    let patterns: [[String]]
  }

  @Test("generated patterns match what they do in Python, or are refused")
  func generated() throws {
    let file = Goldens.root().appendingPathComponent("python-patterns.json")
    let generated = try JSONDecoder().decode(Generated.self, from: Data(contentsOf: file))
    var (valid, read) = (0, 0)
    for entry in generated.patterns {
      let (text, wanted) = (entry[0], entry[1])
      guard wanted != "error" else { continue }
      valid += 1
      do {
        let pattern = try PythonPattern.whole(text)
        read += 1
        let found = try generated.names.map { try pattern.matches($0) ? "1" : "0" }.joined()
        #expect(found == wanted, "\(text)")
      } catch is RegularExpression.Invalid {
        continue
      } catch is RegularExpression.MatchFailure {
        continue
      }
    }
    // What Python alone knows is rare.
    #expect(valid > generated.patterns.count / 3 && read > valid * 9 / 10, "\(read) of \(valid)")
  }

  @Test("a key of a pattern is one as PEFT wraps it")
  func keys() throws {
    let module = ModuleName(
      .linear(.init(layer: 11, projection: .query)), languageModelModule: "language_model")
    for (key, isMatch) in [
      ("q_proj", true), ("proj", false), (#"layers\.11\..*"#, true),
      ("^model.language_model.layers.11.self_attn.q_proj", true),
      ("^layers.*", false), (#"layers\.(1|11)\.self_attn\.q_proj"#, true), ("v_proj|q_proj", true),
    ] {
      #expect(try ModuleValues([(key, 3)]).value(for: module) == (isMatch ? 3 : nil), "\(key)")
    }
    #expect(throws: RegularExpression.Invalid.self) { try ModuleValues([("(?i)q_proj", 1)]) }
  }

  @Test("a pattern that would take for ever is given up")
  func limits() throws {
    let hostile = try PythonPattern.whole("(([a-z_.0-9]+)+)+[!?]")
    #expect(throws: RegularExpression.MatchFailure.self) { try hostile.matches(Self.query) }
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      for (key, value) in [
        ("target_modules", "(([a-z_.0-9]+)+)+[!?]" as Any), ("rank_pattern", ["(([a-z_.0-9]+)+)+[!?]": 2]),
        ("alpha_pattern", ["(([a-z_.0-9]+)+)+[!?]": 2]),
      ] {
        try ScratchFolder.with { scratch in
          let other = try AdapterCopy(in: scratch)
          try other.edit(["layers_to_transform": [Int](), "layers_pattern": "", key: value])
          let problems = try other.problems()
          #expect(problems.contains { $0.contains(key) }, "\(problems)")
        }
      }
      let many = Dictionary(uniqueKeysWithValues: (0...ModuleValues.mostKeys).map { ("m\($0)", 1) })
      try copy.edit(["rank_pattern": many])
      #expect(try copy.problems().contains { $0.contains("rank_pattern") })
      try copy.edit(["rank_pattern": [String: Int](), "target_modules": String(repeating: "(", count: 2000)])
      #expect(try copy.problems().contains { $0.contains("target_modules") })
      try copy.edit(["target_modules": String(repeating: "a", count: 2 << 20)])
      #expect(try copy.problems().contains { $0.contains("target_modules") })
    }
  }
}
