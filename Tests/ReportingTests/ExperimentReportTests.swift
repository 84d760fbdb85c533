import Foundation
import HeadImpact
import TestSupport
import Testing

@testable import Reporting

@Suite("Report of an experiment")
struct ExperimentReportTests {
  private func table(_ level: Double) throws -> HeadImpactTable {
    let hi = (0..<(6 * 28 * 12)).map { index -> Double in
      let layer = Double(index / 12 % 28)
      return level + 0.05 * sin(layer / 4) + 0.01 * cos(Double(index))
    }
    return try HeadImpactTable(
      layers: 28, heads: 12, samples: 5000, hi: hi, stderr: hi.map { $0 / 50 }, chance: hi.map { $0 / 3 }, nosink: hi,
      sinkShare: [Double](repeating: 0.1, count: 28 * 12))
  }

  private func curve(_ arm: String, _ floor: Double) -> ExperimentSummary.Curve {
    ExperimentSummary.Curve(
      arm: arm,
      training: (0..<900).map { step in
        let noise = 0.08 * sin(Double(step * 7 % 31))
        return .init(step: step, loss: floor + 1.6 * exp(-Double(step) / 150) + noise)
      },
      validation: stride(from: 0, through: 900, by: 150).map { step in
        .init(step: step, loss: floor + 0.1 + 1.6 * exp(-Double(step) / 150))
      })
  }

  private func summary() throws -> ExperimentSummary {
    typealias Arm = ExperimentSummary.Arm
    func metrics(_ shift: Double?) -> [ExperimentSummary.Metric] {
      [("CIDEr", 0.86, 0.03), ("BLEU-4", 0.31, 0.012), ("VQA accuracy", 0.642, 0.009)].map { name, base, width in
        let change = shift.map { $0 * width * 3 }
        return .init(
          name: name, value: base + (change ?? 0), shift: change, low: change.map { $0 - width },
          high: change.map { $0 + width })
      }
    }
    var summary = ExperimentSummary(
      title: "Top layers against random ones",
      statement: "Training the three layers of highest HI moved CIDEr by 0.09 (95% from 0.06 to 0.12).\n\n"
        + "Random choices of three layers moved it by 0.01 to 0.05.",
      arms: [
        Arm(name: "pretrained", kind: .pretrained, metrics: metrics(nil)),
        Arm(
          name: "top", kind: .top, layers: [14, 15, 16], trainedParameters: 589_824, share: 0.000267,
          metrics: metrics(1)),
        Arm(
          name: "bottom", kind: .bottom, layers: [0, 1, 27], trainedParameters: 589_824, share: 0.000267,
          metrics: metrics(-0.1)),
      ]
        + (1...5).map {
          Arm(
            name: "random \($0)", kind: .random, layers: [$0, 2 * $0, 20 + $0], trainedParameters: 589_824,
            share: 0.000267,
            metrics: metrics(0.1 * Double($0)))
        } + [
          Arm(
            name: "all", kind: .all, layers: Array(0..<28), trainedParameters: 5_505_024, share: 0.0025,
            metrics: metrics(1.2))
        ])
    summary.losses =
      [curve("top", 0.6), curve("bottom", 1.0), curve("all", 0.5)]
      + (1...5).map { curve("random \($0)", 0.7 + 0.05 * Double($0)) }
    summary.headImpact = .init(
      measure: .matched, before: try table(0.2), after: [("top", "", try table(0.26)), ("bottom", "", try table(0.19))])
    summary.ablations = [.init(name: "without the vision tower’s cache", metrics: metrics(0.9))]
    summary.promptAgreement = .init(
      prompts: ["Describe it.", "What is it?", "Name it."],
      pairs: [(0, 1), (0, 2), (1, 2)].map {
        .init(first: $0.0, second: $0.1, rankCorrelation: 0.9, headOverlap: 0.75, layerOverlap: 1)
      }, heads: 12, layers: 3, measure: .matched)
    summary.timings = [.init(name: "scoring", seconds: 512.5), .init(name: "training", seconds: 4021)]
    summary.provenance = [("model", "Qwen2-VL-2B-Instruct"), ("seed", "0")]
    summary.configuration = "model: Qwen2-VL-2B-Instruct\narms: [pretrained, top, bottom, random, all]\nlayers: 3\n"
    return summary
  }

  @Test("has one panel of all metrics, losses, HI before and after, prompts and ablations")
  func figures() throws {
    let page = try ExperimentReport.page(of: summary(), programVersion: "1")
    let figures = page.attachments.map(\.path).filter { $0.hasSuffix(".svg") }
    #expect(
      figures == [
        "figures/shifts-panel.svg", "figures/training-loss.svg", "figures/validation-loss.svg", "figures/hi-change.svg",
        "figures/prompt-agreement.svg", "figures/ablation-shift-0.svg", "figures/ablation-shift-1.svg",
        "figures/ablation-shift-2.svg",
      ])
    for id in ["arms-table", "shifts-table", "ablations-table", "timings", "experiment-provenance", "prompt-pairs"] {
      #expect(page.attachments.contains { $0.path == "data/\(id).csv" }, "\(id)")
    }
    #expect(page.summary.count == 2 && page.html.contains("arms: [pretrained"))
  }

  private func svg(_ page: Page, _ name: String) throws -> String {
    let file = try #require(page.attachments.first { $0.path == "figures/\(name).svg" })
    return String(decoding: file.bytes, as: UTF8.self)
  }

  @Test("the shaded range is that of the random arms, and a metric that is 0 everywhere is not drawn")
  func panel() throws {
    var summary = try summary()
    for arm in summary.arms.indices {
      summary.arms[arm].metrics.append(.init(name: "exact match", value: 0, shift: arm == 0 ? nil : 0, low: 0, high: 0))
    }
    let page = try ExperimentReport.page(of: summary, programVersion: "1")
    let svg = try svg(page, "shifts-panel")
    #expect(svg.contains("range is that of the 5 random arms") && svg.contains(">CIDEr</text>"))
    #expect(svg.contains("1 metric is 0 in every arm") && !svg.contains(">exact match</text>"))
    let csv = try #require(page.attachments.first { $0.path == "data/shifts-panel.csv" })
    #expect(String(decoding: csv.bytes, as: UTF8.self).contains("top,top,exact match,0.0"))
  }

  @Test("shares are in percent, and figures and tables say so")
  func units() throws {
    var summary = try summary()
    for arm in summary.arms.indices {
      summary.arms[arm].metrics[2].unit = "%"
    }
    func curve(_ outcome: String, _ unit: String?) -> AblationCurves.Curve {
      AblationCurves.Curve(
        choice: "top", outcome: outcome, unit: unit, baseline: 2,
        points: [1, 2].map {
          .init(heads: $0, draws: 1, value: 1, difference: -1, lower: -2, upper: 0, lowest: -1, highest: -1)
        })
    }
    summary.ablationCurves = [curve("loss", "nats"), curve("exact_match", "percent"), curve("accuracy", nil)]
    let page = try ExperimentReport.page(of: summary, programVersion: "1")
    #expect(try svg(page, "shifts-panel").contains(">VQA accuracy (%)</text>"))
    #expect(try svg(page, "ablation-exact-match").contains("change of the exact_match (percentage points)"))
    #expect(try !svg(page, "ablation-loss").contains("points)") && !svg(page, "ablation-accuracy").contains("points)"))
    let csv = try #require(page.attachments.first { $0.path == "data/shifts-table.csv" })
    let lines = String(decoding: csv.bytes, as: UTF8.self).split(separator: "\n")
    #expect(lines[0].hasSuffix(",unit") && lines.filter { $0.hasSuffix(",%") }.count == 8)
  }

  @Test("each task has its colour, and an arm's seeds are shown")
  func colours() throws {
    var summary = try summary()
    for arm in summary.arms.indices {
      for metric in summary.arms[arm].metrics.indices {
        summary.arms[arm].metrics[metric].task = metric < 2 ? "captions" : "questions"
        summary.arms[arm].metrics[metric].seedShifts = arm == 0 ? [] : [0.1, 0.2]
      }
    }
    let svg = try svg(ExperimentReport.page(of: summary, programVersion: "1"), "shifts-panel")
    #expect(svg.contains("A colour is a task.") && svg.contains("the 2 training seeds"))
    #expect(svg.contains("class=\"f0\"") && svg.contains("class=\"f1\""))
  }

  @Test("an experiment that has only arms and metrics has only their sections")
  func little() throws {
    let summary = ExperimentSummary(
      title: "T", statement: "", arms: [.init(name: "a", kind: .other, metrics: [.init(name: "m", value: 1)])])
    #expect(try ExperimentReport.sections(of: summary).map(\.id) == ["shifts", "arms"])
  }

  @Test("arms that were trained on several tasks have a figure of each")
  func tasks() throws {
    var summary = try summary()
    summary.losses = ["captions", "questions"].flatMap { task in
      [ExperimentSummary.Curve(arm: "top", task: task, training: [.init(step: 1, loss: 2), .init(step: 2, loss: 1)])]
    }
    let figures = try ExperimentReport.page(of: summary, programVersion: "1").attachments.map(\.path)
    #expect(
      figures.contains("figures/training-loss-captions.svg") && figures.contains("figures/training-loss-questions.svg"))
  }

  @Test("arms that don't fit one another are refused, saying which")
  func refusals() throws {
    var twice = try summary()
    twice.arms[1].name = "all"
    var unknown = try summary()
    unknown.losses[0].arm = "middle"
    var doubled = try summary()
    doubled.arms[1].metrics.append(doubled.arms[1].metrics[0])
    var none = try summary()
    none.arms = []
    for (summary, word) in [(twice, "one name"), (unknown, "middle"), (doubled, "twice"), (none, "no arm")] {
      let error = try #require(throws: ReportError.self) { try ExperimentReport.sections(of: summary) }
      #expect(error.description.contains(word), "\(error)")
    }
  }

  @Test("layers are written in runs")
  func ranges() { #expect(ExperimentReport.ranges([5, 0, 1, 2, 2]) == "0–2, 5") }

  /// For the browser test of tools/report, which looks at every page in that folder.
  @Test("the page is written for the browser test")
  func forTheBrowser() throws {
    let folder = Repository.root.appendingPathComponent(".cache/report-pages/experiment")
    try ExperimentReport.page(of: summary(), programVersion: "1").write(to: folder, overwrites: true)
    #expect(FileManager.default.fileExists(atPath: folder.appendingPathComponent("index.html").path))
  }
}
