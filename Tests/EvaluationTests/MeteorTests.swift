import COCO
import Foundation
import TestSupport
import Testing

@testable import Evaluation

/// A shell script in Java's place, which answers as METEOR's jar does.
@Suite("METEOR's jar")
struct MeteorTests {
  private func withJava(_ script: String, _ body: (MeteorJar) throws -> Void) throws {
    try ScratchFolder.with { scratch in
      let java = scratch.file("java")
      try Data(("#!/bin/bash\n" + script).utf8).write(to: java)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: java.path)
      let jar = scratch.file("meteor-1.5.jar")
      try Data().write(to: jar)
      try body(MeteorJar(jar, java: java.path))
    }
  }

  /// Scores are how many references there are, over ten; the corpus score is 0.75.
  private static let script = #"""
    [ "$*" = "-Xmx2G -jar $3 - - -stdio -l en -norm" ] || exit 9
    while IFS= read -r line; do
      case "$line" in
        SCORE*) echo " $(grep -o '|||' <<< "$line" | wc -l).0 stats" ;;
        EVAL*) for n in $(grep -o '[0-9]*\.0 stats' <<< "$line" | cut -d. -f1); do echo "0.$((n - 1))"; done; echo 0.75 ;;
      esac
    done
    """#

  @Test("each image is passed to the jar with its references, then all are evaluated")
  func scores() throws {
    try withJava(Self.script) { jar in
      let evaluator = try CaptionEvaluator(references([(1, ["a dog", "the dog."]), (2, ["a cat"])]))
      let evaluation = try evaluator.evaluate(["A dog!", "cat"], meteor: jar)
      #expect(evaluation.perImage[.meteor] == [0.2, 0.1] && evaluation.scores[.meteor] == 0.75)
      #expect(evaluation.metrics.contains(.meteor))
      let comparison = try PairedComparison(evaluation, baseline: evaluation, resamples: 10)
      let row = try #require(comparison.differences.first { $0.metric == "METEOR_mean" })
      #expect(abs(row.score - 0.15) < 1e-12)
    }
  }

  @Test("without the jar METEOR is simply absent")
  func absent() throws {
    let evaluation = try CaptionEvaluator(references([(1, ["a"]), (2, ["b"])])).evaluate(["a", "b"])
    #expect(!evaluation.metrics.contains(.meteor) && evaluation.perImage[.meteor] == nil)
  }

  @Test(
    "a jar that fails is named, with what it said",
    arguments: [
      ("echo 'Error: no memory' >&2; exit 3", "ended with code 3 before it had answered: Error: no memory"),
      ("while read -r line; do echo nonsense; done", "said \"nonsense\""),
      ("read -r line; exit 0", "ended with code 0"),
    ])
  func failing(script: String, words: String) throws {
    try withJava(script) { jar in
      let problem = try #require(failure { try jar.scores([("a", ["a"])]) })
      #expect(problem.contains("meteor-1.5.jar") && problem.contains(words), "\(problem)")
    }
  }

  @Test("a missing jar and a machine without Java are reported")
  func missing() throws {
    let none = MeteorJar(URL(fileURLWithPath: "/none/meteor.jar"))
    #expect(failure { try none.scores([("a", ["a"])]) }?.contains("/none/meteor.jar: there is no such file") == true)
    try ScratchFolder.with { scratch in
      try Data().write(to: scratch.file("m.jar"))
      let jar = MeteorJar(scratch.file("m.jar"), java: "no-such-java")
      #expect(failure { try jar.scores([("a", ["a"])]) }?.contains("no-such-java") == true)
    }
  }
}
