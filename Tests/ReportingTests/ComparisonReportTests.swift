import Comparison
import Foundation
import FoundationXML
import HDF5Store
import HeadImpact
import TestSupport
import Testing

@testable import Reporting

@Suite("Comparison of runs, as a page")
struct ComparisonReportTests {
  /// Three runs of two layers of two heads over 12 images: the second has head 1.1 higher, the third other layers.
  private func comparison(third layers: Int = 2) throws -> RunComparison {
    let random = SplitMix64(seed: 5)
    func values(_ run: Int, _ image: Int, heads: Int) -> [Float] {
      (0..<heads).map { head in
        let noise = Float(random.below(100, counter: UInt64(1000 * run + 10 * image + head))) / 1000
        return Float(head) / 10 + noise + (run == 1 && head == 3 ? 0.4 : 0)
      }
    }
    let shapes = [(2, 2), (2, 2), (layers, 2)]
    let runs = shapes.enumerated().map { index, shape in
      ComparedRun(
        name: "run <\(index)>", layers: shape.0, heads: shape.1, dataset: "d",
        samples: (1...12).map { ComparedRun.Sample(id: $0, imageID: $0) },
        attributes: [("prompt", "Say \(index) & \"go\"."), ("precision", "f32"), ("model_sha256", "\(index)")])
    }
    var options = RunComparison.Options()
    options.topHeads = 2
    options.resamples = 100
    return try RunComparison(
      runs, SharedSamples(runs),
      scored: shapes.enumerated().map { index, shape in
        let images = (1...12).map { image in
          var scores = ImageScores(heads: shape.0 * shape.1)
          scores.add(values(index, image, heads: shape.0 * shape.1), chance: [Float]?.none)
          return scores
        }
        return try ScoredHeads(
          name: "run", layers: shape.0, heads: shape.1, images: images, resamples: 100, seed: 0)
      }, options)
  }

  @Test("has every figure as well-formed SVG and its numbers as CSV, and names from files are not markup")
  func files() throws {
    let page = ComparisonReport.page(of: try comparison(), programVersion: "9.9")
    let names = Set(page.attachments.map(\.path).filter { $0.hasPrefix("figures/") })
    let pairs = [1, 2].flatMap { n in ["scatter", "difference", "overlap", "layers"].map { "figures/\($0)-\(n).svg" } }
    #expect(names == Set(pairs + ["figures/agreement.svg"]))
    for file in page.attachments where file.path.hasSuffix(".svg") {
      let parser = XMLParser(data: Data(file.bytes))
      #expect(parser.parse(), "\(file.path): \(String(describing: parser.parserError))")
      #expect(!String(decoding: file.bytes, as: UTF8.self).contains("nan"), "\(file.path)")
    }
    #expect(page.html.contains("run &lt;1&gt;") && !page.html.contains("<1>"))
    #expect(page.html.contains("Say 0 &amp; &quot;go&quot;.") || page.html.contains("Say 0 &amp; \"go\"."))
  }

  @Test("the summary says how alike the orders are, which heads differ, and in what the runs differ")
  func words() throws {
    let page = ComparisonReport.page(of: try comparison(), programVersion: "9.9")
    let first = page.summary[0]
    #expect(first.hasPrefix("run <1> ranks the 4 heads as run <0> does to a rank correlation of "), "\(first)")
    #expect(first.contains("on the same 12 images"))
    #expect(
      first.contains(
        "1 head of 4 differs beyond doubt (p ≤ 0.05 after Holm’s correction over all heads), most of all 1.1, by +0.398 ["
      ),
      "\(first)")
    #expect(page.summary.last == "The runs differ in: prompt (and 1 digest).", "\(page.summary)")
  }

  @Test("models of other shapes get layers only, and the page says why")
  func otherShapes() throws {
    let page = ComparisonReport.page(of: try comparison(third: 3), programVersion: "9.9")
    #expect(page.summary[1].contains("no head of one is a head of the other"), "\(page.summary)")
    let names = Set(page.attachments.map(\.path))
    #expect(names.contains("figures/layers-2.svg") && !names.contains("figures/scatter-2.svg"))
    #expect(!page.sections.contains { $0.id == "best-heads" })
  }

  @Test("what is zero as shown is no difference")
  func nothing() throws {
    let runs = ["a", "b"].map { name in
      ComparedRun(
        name: name, layers: 1, heads: 2, dataset: "d", samples: (1...3).map { ComparedRun.Sample(id: $0, imageID: $0) })
    }
    var options = RunComparison.Options()
    options.topHeads = 1
    let scored = try (0..<2).map { _ in
      let images = (1...3).map { image in
        var scores = ImageScores(heads: 2)
        scores.add([Float(image) / 4, 0.5], chance: [Float]?.none)
        return scores
      }
      return try ScoredHeads(name: "a", layers: 1, heads: 2, images: images, resamples: 20, seed: 0)
    }
    let same = try RunComparison(runs, SharedSamples(runs), scored: scored, options)
    let words = ComparisonWords.finding(same, same.pairs[0])
    #expect(words.hasSuffix("No value differs."), "\(words)")
    #expect(ComparisonWords.whatDiffers(same).contains("name no difference"))
  }

  @Test("files are read: two copies of one agree completely, on all of their samples", arguments: [false, true])
  func reading(isCorrected: Bool) throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let copy = scratch.file("copy.h5")
      try FileManager.default.copyItem(at: run.file, to: copy)
      var options = RunComparison.Options()
      options.ranked = RankedMeasure(.matched, isCorrected: isCorrected)
      options.topHeads = 2
      options.resamples = 20
      let comparison = try ComparisonInput.compare([run.file, copy], options)
      #expect(comparison.runs.map(\.name) == ["hi", "copy"] && comparison.attributes.differing.isEmpty)
      #expect(comparison.runs[0].samples == 5 && comparison.runs[0].images == 4 && comparison.pairs[0].isPaired)
      #expect(comparison.pairs[0].heads?.spearman == Estimate(1, replicates: [1]))
      // The file's means are of Doubles, those here of the samples' float32 values.
      let table = try HeadImpactFile.read(run.file).table.scores(options.ranked)
      #expect(zip(comparison.runs[0].values.flatMap { $0 }, table).allSatisfy { abs($0 - $1) < 1e-6 })
    }
  }

  @Test("names must be as many as files, each another")
  func names() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let error = failure { try ComparisonInput.compare([run.file, run.file], names: ["a", "a"], .init()) }
      #expect(error == "2 names for 2 files; each file needs one of its own")
      #expect(failure { try ComparisonInput.compare([run.file, run.file], .init()) }?.contains("named twice") == true)
    }
  }
}
