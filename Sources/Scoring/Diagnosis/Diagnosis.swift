import COCO
import Foundation
import HDF5Store
import IO
import Kernels
import MessagePassing
import RunSupport
import Safetensors
import VisionLanguage

/// What this machine has and lacks, and whether a run fits: what `doctor` tells.
public struct Diagnosis: Sendable, Encodable {
  /// What is to be looked at.
  public struct Request: Sendable {
    public var model: URL?
    public var input = InputOptions()
    public var dataset: URL?
    public var images: URL?
    /// Where a run would write.
    public var output: URL?
    /// Of this machine, for a process that runs alone.
    public var ranks = 1
    /// Of each rank; nil for its share of the cores.
    public var threads: Int?
    public var precision = Precision.bf16
    public var prompt = JobDefaults.prompt
    public var limit: Int?

    public init() {}
  }

  public struct Fact: Sendable, Encodable {
    /// What some of the hosts have.
    public struct Value: Sendable, Encodable {
      public let hosts: [String]
      public let value: String
    }

    public let name: String
    public let value: String
    /// The same by host; nil where all have the same.
    public let byHost: [Value]?

    init(name: String, value: String, byHost: [Value]? = nil) {
      (self.name, self.value, self.byHost) = (name, value, byHost)
    }
  }

  public internal(set) var facts: [Fact] = []
  /// What is wrong, and what would mend it.
  public internal(set) var problems: [String] = []
  /// What is no mistake, but good to know.
  public internal(set) var notes: [String] = []
  /// Of the given model and dataset.
  public private(set) var estimate: RunEstimate?
  /// The memory that a run needs; nil without an estimate.
  private(set) var needs: HostComparison.Needs?
  /// Threads that the rate of matrix products was measured on.
  private(set) var measuredThreads = 1
  /// What each rank reported; nil for one that runs alone.
  public internal(set) var reports: [HostReport]?

  private enum CodingKeys: CodingKey {
    case facts, problems, notes, estimate, reports
  }

  /// Of this process and its machine.
  ///
  /// - Parameter isPart: leaves cores and memory to the comparison of all ranks' reports.
  /// - Throws: what is wrong with the model or the dataset, naming file and place.
  init(_ request: Request, isPart: Bool) throws {
    let share = ProcessShare.current
    let cores = share.cores
    let ranks = request.ranks
    let threads = request.threads ?? JobDefaults.threads(localRanks: ranks)
    if !isPart {
      note("MPI", Communicator.libraryVersion)
      note("instructions", ProductInstructions.description)
    }
    note("HDF5", HDF5File.libraryVersion)
    note("bf16 instructions", Self.bfloat16)
    if !isPart { noteShare(share, ranks: ranks, threads: threads) }

    let team = ThreadTeam(count: min(cores, ranks * threads))
    let backend = try CPUBackend(precision: request.precision, team: team)
    if team.available < team.count {
      problems.append(
        "only \(team.available) of \(counted(team.count, "thread")) can be started: see ulimit -u, and the cgroup's "
          + "pids.max")
    }
    measuredThreads = team.count
    let loaded = try request.model.map {
      (folder: $0, model: try ModelRegistry.load(folder: $0, input: request.input, backend: backend))
    }
    let rate = try MatrixProductRate.measure(backend, model: loaded?.model.dimensions)
    note(
      "matrix products",
      String(format: "%.0f GFLOP/s in %@ on ", rate / 1e9, request.precision.rawValue) + counted(team.count, "thread"))
    guard let (model, loaded) = loaded else { return }
    Remarks.tell(loaded.remarks.general)
    let weights = try SafetensorsCheckpoint(folder: model).files.reduce(0) { $0 + $1.file.count }
    note(
      "model",
      "\(loaded.modelType), \(counted(loaded.dimensions.layers, "layer")) x \(counted(loaded.dimensions.heads, "head"))"
    )
    note("chat template", "\(loaded.chat.source), SHA-256 \(loaded.chat.sha256.prefix(12))…")
    note("weights", "\(gibibytes(weights)), shared by all ranks of a node")
    guard let dataset = request.dataset else {
      note(tokens: RunEstimate.examples(loaded))
      return
    }
    let contents = try KeyObjectDataset(contentsOf: dataset)
    if contents.problems.lostSamples > 0 {
      note(
        "left out", "\(counted(contents.problems.lostSamples, "record")) that can't be used: dataset check lists them")
    }
    let estimate = RunEstimate(
      model: loaded, weightBytes: weights, dataset: contents, limit: request.limit, prompt: request.prompt, rate: rate)
    self.estimate = estimate
    note("dataset", "\(counted(estimate.samples, "sample")) of \(counted(estimate.images, "image"))")
    note(tokens: estimate.commonSizes)
    note("largest image", "\(counted(estimate.largestVisualTokens, "visual token"))")
    note("memory per rank", "about \(gibibytes(estimate.privateBytesPerRank)) private")
    note("arithmetic", String(format: "%.1f TFLOP", estimate.teraOperations))
    if !isPart { note("time", "about \(ProgressReporter.duration(estimate.seconds)) on this machine") }
    if estimate.unusableImages > 0 {
      problems.append(
        "\(counted(estimate.unusableImages, "image")) \(agreeing(with: estimate.unusableImages, "has", "have")) a size that the model doesn't support"
      )
    }
    needs = HostComparison.Needs(shared: weights, perRank: estimate.privateBytesPerRank)
    let needed = weights + ranks * estimate.privateBytesPerRank
    if !isPart, let available = share.availableMemory, needed > available {
      problems.append(
        "\(counted(ranks, "rank")) \(agreeing(with: ranks, "needs", "need")) about \(gibibytes(needed)) and \(gibibytes(available)) are available"
          + (ranks > 1 ? ": use fewer ranks" : ""))
    }
  }

  private mutating func noteShare(_ share: ProcessShare, ranks: Int, threads: Int) {
    note("cores", share.coresDescription)
    note("ranks x threads", "\(ranks) x \(threads)")
    if ranks * threads > share.cores {
      problems.append(
        "\(counted(ranks, "rank")) of \(counted(threads, "thread")) \(agreeing(with: ranks, "is", "are")) more than the \(counted(share.cores, "core")) available to this process: use "
          + (ranks > share.cores ? "at most \(counted(share.cores, "rank"))" : "--threads \(share.cores / ranks)"))
    }
    if let advice = ProcessShare.bindingAdvice() { problems.append(advice) }
    noteMemory(share)
  }

  private static var bfloat16: String {
    if ProductInstructions.fastest(for: .bf16) == .bfloat16 { return "yes" }
    return ProductInstructions.available(for: .bf16).contains(.bfloat16)
      ? "yes, but slower than float32: bf16 operands are multiplied in float32"
      : "no: bf16 operands are multiplied in float32"
  }

  private mutating func noteMemory(_ share: ProcessShare) {
    guard let total = share.memory, let available = share.availableMemory else { return }
    let limit = share.memorySource.map { " (\($0))" } ?? ""
    note("memory", "\(gibibytes(total))\(limit), of which \(gibibytes(available)) available")
  }

  private mutating func note(tokens sizes: [RunEstimate.ImageTokens]) {
    let sentences = sizes.map { size in
      let views = size.views > 1 ? " in \(size.views) views" : ""
      let images = size.images > 0 ? " (\(counted(size.images, "image")))" : ""
      return "\(size.visualTokens)\(views) of \(size.width)x\(size.height) pixels\(images)"
    }
    if !sentences.isEmpty { note("visual tokens", sentences.joined(separator: ", ")) }
  }

  mutating func note(_ name: String, _ value: String) { facts.append(Fact(name: name, value: value)) }

  private func gibibytes(_ bytes: Int) -> String { HostComparison.gibibytes(bytes) }
}
