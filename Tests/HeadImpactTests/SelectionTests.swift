import Foundation
import Testing

@testable import HeadImpact

@Suite("Ranking and selection")
struct SelectionTests {
  /// Layer scores by `matched`: 0.25, 0.5, 0.25, 0.75; by every other measure 0.
  let table: HeadImpactTable

  init() throws {
    let matched = [0.5, 0.0, 0.5, 0.5, 0.0, 0.5, 1.0, 0.5]
    let rest = [Double](repeating: 0, count: 40)
    table = try HeadImpactTable(
      layers: 4, heads: 2, samples: 9, hi: matched + rest, stderr: matched + rest, chance: matched + rest,
      nosink: matched + rest, sinkShare: matched)
  }

  @Test("layers and heads rank by HI, ties by the lower index")
  func ranking() {
    let ranking = Ranking(table)
    #expect(ranking.layers.map(\.layer) == [3, 1, 0, 2])
    #expect(ranking.layers.map(\.score) == [0.75, 0.5, 0.25, 0.25])
    #expect(ranking.heads.map { $0.layer * 2 + $0.head } == [6, 0, 2, 3, 5, 7, 1, 4])
    #expect(Ranking(table, by: .otsu).layers.map(\.layer) == [0, 1, 2, 3])
  }

  @Test("top and bottom take the ends of the ranking, ties by the lower index")
  func ends() throws {
    #expect(try Selection(from: table, strategy: .top, layers: 3).layers == [3, 1, 0])
    #expect(try Selection(from: table, strategy: .bottom, layers: 3).layers == [0, 2, 1])
    let selection = try Selection(from: table, strategy: .top, layers: 1, topHeads: 2)
    #expect(selection.scores == [0.75])
    #expect(selection.heads == [Selection.Head(layer: 3, head: 0), Selection.Head(layer: 0, head: 0)])
    #expect(selection.headScores == [1, 0.5])
    #expect(selection.seed == nil)
  }

  @Test("a random choice is its seed's alone, and reaches every layer")
  func random() throws {
    func draw(_ seed: UInt64) throws -> [Int] {
      try Selection(from: table, strategy: .random, layers: 2, seed: seed).layers
    }
    #expect(try draw(5) == draw(5))
    let draws = try (0..<200).map { try draw(UInt64($0)) }
    #expect(draws.allSatisfy { $0.count == 2 && $0[0] < $0[1] })
    #expect(Set(draws).count == 6)
    #expect(try Selection(from: table, strategy: .random, layers: 2, seed: 5).seed == 5)
  }

  @Test("counts out of range are refused", arguments: [0, 5, -1])
  func counts(_ count: Int) {
    #expect(throws: HeadImpactError.self) { try Selection(from: table, strategy: .top, layers: count) }
    #expect(throws: HeadImpactError.self) {
      try Selection(from: table, strategy: .top, layers: 1, topHeads: count < 0 ? count : 9)
    }
  }

  @Test("JSON comes back as it was")
  func json() throws {
    var selection = try Selection(
      from: table, strategy: .random, measure: RankedMeasure(.soft), layers: 2, topHeads: 3, seed: .max)
    selection.modelName = "a/b"
    selection.modelSHA256 = "00ff"
    selection.source = "hi.h5"
    let json = try selection.json()
    #expect(json.contains("\"model_name\" : \"a/b\"") && json.contains("\"model_sha256\""))
    #expect(try Selection(json: Data(json.utf8), named: "s.json") == selection)
  }

  @Test("corrected values rank where they are asked for, and the file says so")
  func corrected() throws {
    let rest = [Double](repeating: 0, count: 40)
    let values = [0.1, 0.2, 0.3, 0.9, 0.1, 0.1, -0.5, 0.1]
    let table = try HeadImpactTable(
      layers: 4, heads: 2, samples: 9, hi: table.hi, stderr: table.stderr, chance: table.chance, nosink: table.nosink,
      sinkShare: table.sinkShare,
      corrected: CorrectedImpact(hi: values + rest, stderr: values + rest, samples: [Int](repeating: 9, count: 48)))
    let ranked = RankedMeasure(.matched, isCorrected: true)
    let selection = try Selection(from: table, strategy: .top, measure: ranked, layers: 1, topHeads: 1)
    #expect(selection.layers == [1] && selection.scores == [0.6])
    #expect(selection.heads == [Selection.Head(layer: 1, head: 1)] && selection.headScores == [0.9])
    #expect(try Selection.heads(of: table, strategy: .bottom, measure: ranked, count: 1).map(\.description) == ["3.0"])
    let json = try selection.json()
    #expect(json.contains("\"corrected\" : true"))
    #expect(try Selection(json: Data(json.utf8), named: "s.json") == selection)
  }

  @Test(
    "a selection file that is wrong is refused, naming file and key",
    arguments: [
      ("", "s.json"), ("[]", "s.json"), ("{}", "strategy"),
      (#"{"strategy":"best","measure":"soft","layers":[1],"scores":[0]}"#, "strategy: "),
      (#"{"strategy":"top","measure":"soft","layers":[],"scores":[]}"#, "layers: no layer"),
      (#"{"strategy":"top","measure":"soft","layers":[1,1],"scores":[0,0]}"#, "layers: a layer is named twice"),
      (#"{"strategy":"top","measure":"soft","layers":[-1],"scores":[0]}"#, "layers: layer -1"),
      (#"{"strategy":"top","measure":"soft","layers":[1],"scores":[]}"#, "scores: 0 scores"),
      (#"{"strategy":"top","measure":"soft","layers":[1.5],"scores":[0]}"#, "layers"),
      (#"{"strategy":"top","measure":"soft","layers":[1],"scores":[0],"heads":[[1]]}"#, "heads"),
      (#"{"strategy":"top","measure":"soft","layers":[1],"scores":[0],"heads":[[1,2,3]]}"#, "[layer, head]"),
      (
        #"{"strategy":"top","measure":"soft","layers":[1],"scores":[0],"heads":[[1,2]],"head_scores":[1,2]}"#,
        "head_scores"
      ),
      (#"{"strategy":"top","measure":"soft","corrected":1,"layers":[1],"scores":[0]}"#, "corrected: true or false"),
    ])
  func wrongJSON(_ json: String, says: String) {
    #expect { try Selection(json: Data(json.utf8), named: "s.json") } throws: {
      $0 is HeadImpactError && "\($0)".contains("s.json is not") && "\($0)".contains(says)
    }
  }

  @Test("a table whose sizes disagree is refused")
  func tableShape() {
    #expect {
      try HeadImpactTable(layers: 1, heads: 1, samples: 1, hi: [0], stderr: [], chance: [], nosink: [], sinkShare: [])
    } throws: { "\($0)".hasPrefix("hi has 1 values") }
  }
}

@Suite("Options")
struct OptionsTests {
  @Test("the defaults are valid and are the definition's")
  func defaults() throws {
    let options = HeadImpactOptions()
    try options.validate()
    #expect(options.coverage == 0.5 && options.sinkFactor == 10 && options.bootstrapResamples == 1000)
    #expect(options.query == .token && options.normalize == .none && options.views == .all)
    #expect(try JSONDecoder().decode(HeadImpactOptions.self, from: JSONEncoder().encode(options)) == options)
  }

  @Test("an option out of range is named")
  func outOfRange() {
    func error(_ change: (inout HeadImpactOptions) -> Void) -> String {
      var options = HeadImpactOptions()
      change(&options)
      do { try options.validate() } catch { return "\(error)" }
      return "accepted"
    }
    for coverage in [-0.1, 1, .nan] { #expect(error { $0.coverage = coverage }.hasPrefix("--coverage")) }
    for factor in [0, -1, .infinity, .nan] { #expect(error { $0.sinkFactor = factor }.hasPrefix("--sink-factor")) }
    for count in [0, 100_001] { #expect(error { $0.bootstrapResamples = count }.hasPrefix("--bootstrap")) }
  }
}
