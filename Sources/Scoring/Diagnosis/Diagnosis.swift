import COCO
import Foundation
import HDF5Store
import Kernels
import MessagePassing
import RunSupport
import Safetensors
import VisionLanguage

/// What this machine has and lacks, and whether a run fits: what `doctor` tells.
public struct Diagnosis: Sendable, Encodable {
  public struct Fact: Sendable, Encodable {
    public let name: String
    public let value: String
  }

  public private(set) var facts: [Fact] = []
  /// What is wrong, and what would mend it.
  public private(set) var problems: [String] = []
  /// Of the given model and dataset.
  public private(set) var estimate: RunEstimate?

  /// - Throws: what is wrong with the model or the dataset, naming file and place.
  public init(
    model: URL?, input: InputOptions = InputOptions(), dataset: URL?, ranks: Int, threads: Int?, precision: Precision,
    prompt: String, limit: Int?
  ) throws {
    let share = ProcessShare.current
    let cores = share.cores
    let threads = threads ?? JobDefaults.threads(localRanks: ranks)
    note("MPI", Communicator.libraryVersion)
    if let blas = LinearAlgebraLibraries.openBLAS { note("BLAS", blas) }
    note("oneDNN", LinearAlgebraLibraries.oneDNN)
    note("HDF5", HDF5File.libraryVersion)
    note("bf16 instructions", Self.bfloat16)
    note("cores", share.coresDescription)
    note("ranks x threads", "\(ranks) x \(threads)")
    if ranks * threads > cores {
      problems.append(
        "\(ranks) ranks of \(threads) threads are more than the \(cores) cores available to this process: use --threads "
          + "\(max(1, cores / ranks))")
    }
    if let advice = ProcessShare.bindingAdvice() { problems.append(advice) }
    noteMemory(share)

    let team = ThreadTeam(count: min(cores, ranks * threads))
    let backend = try CPUBackend(precision: precision, team: team)
    if team.available < team.count {
      problems.append(
        "only \(team.available) of \(team.count) threads can be started: see ulimit -u, and the cgroup's "
          + "pids.max")
    }
    let loaded = try model.map {
      (folder: $0, model: try ModelRegistry.load(folder: $0, input: input, backend: backend))
    }
    let rate = try MatrixProductRate.measure(backend, model: loaded?.model.dimensions)
    note(
      "matrix products",
      String(format: "%.0f GFLOP/s in %@ on %d threads", rate / 1e9, precision.rawValue, team.count))
    guard let (model, loaded) = loaded else { return }
    Remarks.tell(loaded.remarks.general)
    let weights = try SafetensorsCheckpoint(folder: model).files.reduce(0) { $0 + $1.file.count }
    note(
      "model", "\(loaded.modelType), \(loaded.dimensions.layers) layers x \(loaded.dimensions.heads) heads")
    note("chat template", "\(loaded.chat.source), SHA-256 \(loaded.chat.sha256.prefix(12))…")
    note("weights", "\(gibibytes(weights)), shared by all ranks of a node")
    guard let dataset else {
      note(tokens: RunEstimate.examples(loaded))
      return
    }
    let contents = try KeyObjectDataset(contentsOf: dataset)
    if contents.problems.lostSamples > 0 {
      note("left out", "\(contents.problems.lostSamples) records that can't be used: dataset check lists them")
    }
    let estimate = RunEstimate(
      model: loaded, weightBytes: weights, dataset: contents, limit: limit, prompt: prompt, rate: rate)
    self.estimate = estimate
    note("dataset", "\(estimate.samples) samples of \(estimate.images) images")
    note(tokens: estimate.commonSizes)
    note("largest image", "\(estimate.largestVisualTokens) visual tokens")
    note("memory per rank", "about \(gibibytes(estimate.privateBytesPerRank)) private")
    note("arithmetic", String(format: "%.1f TFLOP", estimate.teraOperations))
    note("time", "about \(ProgressReporter.duration(estimate.seconds)) on this machine")
    if estimate.unusableImages > 0 {
      problems.append("\(estimate.unusableImages) images have a size that the model doesn't support")
    }
    let needed = weights + ranks * estimate.privateBytesPerRank
    if let limit = share.addressSpace, weights + estimate.privateBytesPerRank > limit {
      problems.append(
        "a rank needs about \(gibibytes(weights + estimate.privateBytesPerRank)) of address space, and ulimit -v gives it "
          + "\(gibibytes(limit))")
    }
    if let available = share.availableMemory, needed > available {
      problems.append(
        "\(ranks) ranks need about \(gibibytes(needed)) and \(gibibytes(available)) are available: use fewer ranks")
    }
  }

  private static var bfloat16: String {
    if CPUBackend.hasFastBFloat16 { return "yes" }
    return CPUBackend.hasBFloat16Instructions
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
      let images = size.images > 0 ? " (\(size.images) image\(size.images == 1 ? "" : "s"))" : ""
      return "\(size.visualTokens)\(views) of \(size.width)x\(size.height) pixels\(images)"
    }
    if !sentences.isEmpty { note("visual tokens", sentences.joined(separator: ", ")) }
  }

  private mutating func note(_ name: String, _ value: String) { facts.append(Fact(name: name, value: value)) }

  private func gibibytes(_ bytes: Int) -> String { String(format: "%.1f GiB", Double(bytes) / 1_073_741_824) }
}
