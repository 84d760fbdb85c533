import Foundation
import IO
import MessagePassing
import RunSupport

extension Diagnosis {
  /// Looks at this machine, or at the hosts of all ranks.
  ///
  /// Whatever one rank finds wrong goes into its report, so that no other waits for it.
  /// - Returns: nil on ranks other than 0.
  /// - Throws: alone, what is wrong with the model or the dataset; `MPIError`
  public static func run(_ request: Request, on world: Communicator) throws -> Diagnosis? {
    let folder = request.output.map { OutputFolder(url: $0.deletingLastPathComponent()) }
    let probe = world.rank == 0 ? folder.map { folder in Result { try folder.makeProbe() } } : nil
    defer { if case .success(let file) = probe { unlink(file.path) } }
    var seen = ""
    if case .success(let file) = probe { seen = file.path }
    seen = String(decoding: try world.broadcast(Array(seen.utf8)), as: UTF8.self)

    var report = HostReport(
      of: world, model: request.model, chatTemplate: request.input.chatTemplate, images: request.images)
    report.outputFileSystem = folder?.fileSystem
    if folder != nil, !seen.isEmpty { report.seesOutput = OutputFolder.sees(seen) }
    let bytes = try world.agree { Array(try JSONEncoder().encode(report)) }
    let localRanks = try world.gather([Int64(world.localRank)])
    guard let gathered = try world.gather(bytes), let localRanks else {
      try ClockComparison.answer(on: world)
      return nil
    }
    // A rank of another version may report something else: that is said, and the others are compared.
    var reports = gathered.enumerated().map { rank, bytes in
      Result { try JSONDecoder().decode(HostReport.self, from: Data(bytes)) }.value
        ?? HostReport(rank: rank, host: "the host of rank \(rank)")
    }
    try ClockComparison.ask(&reports, firstRanks: localRanks.indices.filter { localRanks[$0] == [0] }, on: world)

    let isPart = world.worldSize > 1
    var diagnosis: Diagnosis
    do { diagnosis = try Diagnosis(request, isPart: isPart) } catch {
      guard isPart else { throw error }
      diagnosis = Diagnosis(problem: "rank 0: \(error)")
    }
    diagnosis.take(
      HostComparison(reports, threads: isPart ? request.threads : 1, needs: diagnosis.needs), isPart: isPart)
    if let folder { diagnosis.note(output: folder, probe) }
    if isPart { diagnosis.reports = reports }
    diagnosis.noteScheduler(ProcessInfo.processInfo.environment)
    return diagnosis
  }

  private init(problem: String) { problems = [problem] }

  private mutating func take(_ comparison: HostComparison, isPart: Bool) {
    facts = isPart ? comparison.facts + facts : facts + comparison.facts
    problems += comparison.problems
    notes += comparison.notes
    guard isPart, let estimate else { return }
    let seconds = estimate.seconds * Double(measuredThreads) / Double(max(1, comparison.totalThreads))
    note(
      "time",
      "about \(ProgressReporter.duration(seconds)) on \(comparison.totalThreads) threads as fast as those of rank 0")
  }

  private mutating func note(output folder: OutputFolder, _ probe: Result<URL, any Error>?) {
    if case .failure(let error) = probe { problems.append("\(error)") }
    guard let room = folder.room else { return }
    note("output's free space", HostComparison.gibibytes(room))
    if room < 1 << 30 {
      problems.append(
        "\(folder.url.path): \(HostComparison.size(room)) are free; a run's journal and output may need more")
    }
  }

  /// What a batch system does that a run should know about.
  private mutating func noteScheduler(_ environment: [String: String]) {
    // srun starts its tasks itself; under mpirun the tasks are Open MPI's daemons.
    let isOfSrun =
      environment["SLURM_STEP_ID"] != nil && environment["OMPI_MCA_orte_hnp_uri"] == nil
      && environment["OMPI_MCA_ess_base_jobid"] == nil && environment["PRTE_LAUNCHED"] == nil
    if isOfSrun, environment["SLURM_KILL_BAD_EXIT"] != "1" {
      notes.append(
        "started by srun: without --kill-on-bad-exit=1 (or SLURM_KILL_BAD_EXIT=1) a killed rank leaves the others waiting for "
          + "the silence limit")
    }
  }
}

extension Result {
  /// nil for a failure.
  fileprivate var value: Success? { try? get() }
}

/// How far the hosts' clocks are apart, by messages there and back between rank 0 and the first rank of each host.
enum ClockComparison {
  private static let tag = 100
  private static let rounds = 10

  /// On rank 0; every other first rank of a host answers.
  static func ask(_ reports: inout [HostReport], firstRanks: [Int], on world: Communicator) throws {
    for index in firstRanks where index != world.rank {
      var best = (time: Double.infinity, offset: 0.0)
      for _ in 0..<rounds {
        let start = now
        try world.send([start], to: index, tag: tag)
        let theirs = try world.receive(Double.self, from: index, tag: tag).values.first ?? start
        let end = now
        if end - start < best.time { best = (end - start, theirs - (start + end) / 2) }
      }
      reports[index].clockOffset = best.offset
      reports[index].clockUncertainty = best.time / 2
    }
  }

  /// On every rank but 0.
  static func answer(on world: Communicator) throws {
    guard world.localRank == 0 else { return }
    for _ in 0..<rounds {
      _ = try world.receive(Double.self, from: 0, tag: tag)
      try world.send([now], to: 0, tag: tag)
    }
  }

  private static var now: Double { Date().timeIntervalSince1970 }
}
