import HDF5Store
import Testing

@testable import Scoring

@Suite("Identity of a run")
struct ScoreIdentityTests {
  @Test("every part that changes a number is a separate difference")
  func differences() {
    let changes: [(String, (inout ScoreIdentity) -> Void)] = [
      ("program version", { $0.programVersion = "2" }), ("model type", { $0.modelType = "llava" }),
      ("model (SHA-256)", { $0.modelSHA256 = "x" }),
      ("sampled weights (SHA-256)", { $0.weightsSampleSHA256 = "x" }),
      ("adapter (SHA-256)", { $0.adapterSHA256 = "x" }),
      ("chat template (SHA-256)", { $0.chatTemplateSHA256 = "x" }),
      ("config.json (SHA-256)", { $0.modelFiles = "x  config.json\nnone  merges.txt" }),
      ("merges.txt (SHA-256)", { $0.modelFiles = "dd  config.json\nx  merges.txt" }),
      ("dataset (SHA-256)", { $0.datasetSHA256 = "x" }),
      ("--system", { $0.system = "x" }), ("--prompt", { $0.prompt = "x" }), ("--precision", { $0.precision = "f32" }),
      ("--limit", { $0.limit = 1 }),
      ("--coverage", { $0.options.coverage = 0.1 }), ("--query", { $0.options.query = .predicting }),
      ("--normalize", { $0.options.normalize = .visual }), ("--resize", { $0.resize = "x" }),
      ("--views", { $0.options.views = .global }),
      ("--sink-factor", { $0.options.sinkFactor = 2 }), ("--bootstrap", { $0.options.bootstrapResamples = 2 }),
      ("--seed", { $0.options.seed = .max }), ("--save-scores", { $0.savesScores = true }),
    ]
    #expect(scoreIdentity().run.differences(from: scoreIdentity().run).isEmpty)
    #expect(!scoreIdentity().run.parts.contains { $0.name == "--system" }, "a run without one is what it always was")
    for (name, change) in changes {
      let differences = scoreIdentity().run.differences(from: scoreIdentity(change).run)
      #expect(differences.count == 1 && differences[0].hasPrefix(name + " was "), "\(name): \(differences)")
    }
  }
}
