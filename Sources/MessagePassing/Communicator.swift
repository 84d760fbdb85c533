internal import CMPI
import Foundation
import IO
import Synchronization

/// All ranks of this run, as one of them sees it.
///
/// MPI is called from one thread only (`MPI_THREAD_FUNNELED`), the one that called `withWorld`: the class isn't
/// `Sendable`, and so can't leave it.
public final class Communicator {
  /// This process's number, from 0.
  public let rank: Int
  /// How many processes there are.
  public let worldSize: Int
  /// This process's number among those on its node, from 0.
  public let localRank: Int
  /// How many processes there are on this node.
  public let localSize: Int
  /// The node's name.
  public let processorName: String

  /// The node's name where ranks run on several; nil where all are on one.
  var host: String? { localSize < worldSize ? processorName : nil }

  /// The MPI channels; nil when this process runs alone, without MPI.
  let channels: Channels?
  /// The largest chunk of a message, in bytes; the same on every rank.
  let chunkBytes: Int
  /// Called by `attend`, at most once a millisecond: what a job looks after while it computes or waits. What it throws,
  /// `attend` throws, out of the midst of a wait: it must end the job.
  public var onAttend: (() throws -> Void)?
  var attention = Attention()
  var lifeSigns: LifeSigns?

  /// Two copies of the world, so that messages of this module never meet those of its users; and this node's ranks.
  struct Channels {
    var messages: cmpi_comm
    var service: cmpi_comm
    var node: cmpi_comm
  }

  private init(
    rank: Int, worldSize: Int, localRank: Int, localSize: Int, processorName: String, channels: Channels?,
    chunkBytes: Int
  ) {
    self.rank = rank
    self.worldSize = worldSize
    self.localRank = localRank
    self.localSize = localSize
    self.processorName = processorName
    self.channels = channels
    self.chunkBytes = chunkBytes
  }

  /// Runs `body` as one rank of the world, the only way to a communicator.
  ///
  /// Where no launcher started the process (see `LaunchEnvironment`) `body` runs as rank 0 of 1 without MPI, and what
  /// it throws is rethrown. Under a launcher, an error that leaves `body` doesn't return: the rank and the error are
  /// printed on standard error and `MPI_Abort` ends every rank with exit code 1 (75 for a `TransientError`). MPI is never finalised after a
  /// failure, which could wait for the others for ever. An error that all ranks agreed on (`AgreedFailure`) is printed
  /// once.
  ///
  /// Call it once, from the main thread.
  /// - Parameters:
  ///   - chunkBytes: messages longer than this travel in chunks; the same on every rank.
  ///   - silence: how long ranks wait for one that gives no sign of life; the same on every rank.
  public static func withWorld<R>(
    environment: [String: String] = ProcessInfo.processInfo.environment, chunkBytes: Int? = nil,
    silence: SilenceRules = .standard,
    _ body: (Communicator) throws -> R
  ) throws -> R {
    let launch = try LaunchEnvironment(environment)
    let chunkBytes = chunkBytes ?? Chunks.standardBytes
    precondition(chunkBytes > 0 && chunkBytes <= Int(Int32.max))
    guard launch.usesMPI else {
      try launch.check(worldSize: 1)
      return try body(alone(chunkBytes: chunkBytes))
    }
    var rank: Int?
    var host: String?
    do {
      prepare(environment)
      let watch = ReturnWatch(
        "MPI_Init", limit: silence.limit, rank: launchedRank(environment: environment), host: ProcessMark.current.host)
      let world = try start(chunkBytes: chunkBytes, isDirect: launch.isDirect, rank: &rank)
      watch.end()
      host = world.host
      try launch.check(worldSize: world.worldSize)
      world.watch(silence)
      let result = try body(world)
      try world.finalize(silence)
      return result
    } catch {
      abandon(error, rank: rank, host: host)
    }
  }

  /// Sets what MPI is to find in the environment. Call it before any thread is started: another one could be reading it.
  /// `withWorld` calls it too, if nobody did.
  public static func prepare(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    // `withWorld` reports an environment that says nothing sensible.
    guard (try? LaunchEnvironment(environment))?.usesMPI == true,
      !isPrepared.exchange(true, ordering: .relaxed)
    else { return }
    OpenMPISettings.apply(environment)
  }

  private static let isPrepared = Atomic(false)

  private static func alone(chunkBytes: Int) -> Communicator {
    Communicator(
      rank: 0, worldSize: 1, localRank: 0, localSize: 1, processorName: ProcessInfo.processInfo.hostName, channels: nil,
      chunkBytes: chunkBytes)
  }

  /// Seconds to the first message where a batch system's own launcher (Slurm's, with PMIx) started the ranks: its barrier at
  /// the end of MPI_Init lets a rank go on, now and then, while another is not yet able to take Open MPI's messages, which
  /// crashes at the first.
  private static let directPause: UInt32 = 1

  private static func start(chunkBytes: Int, isDirect: Bool, rank: inout Int?) throws -> Communicator {
    var initialized: Int32 = 0
    try check(cmpi_initialized(&initialized), "MPI_Initialized", rank: nil)
    guard initialized == 0 else {
      throw MPIError(call: "withWorld", reason: "MPI was initialised already in this process", rank: nil)
    }
    var funneled: Int32 = 0
    try check(cmpi_init(&funneled), "MPI_Init_thread", rank: nil)
    if isDirect { sleep(directPause) }
    let world = cmpi_world()
    try check(cmpi_return_errors(world), "MPI_Comm_set_errhandler", rank: nil)
    var worldRank: Int32 = 0
    var worldSize: Int32 = 0
    try check(cmpi_rank(world, &worldRank), "MPI_Comm_rank", rank: nil)
    let number = Int(worldRank)
    rank = number
    try check(cmpi_size(world, &worldSize), "MPI_Comm_size", rank: rank)
    guard funneled != 0 else {
      throw MPIError(call: "MPI_Init_thread", reason: "this MPI library allows no threads at all", rank: rank)
    }
    var channels = Channels(messages: world, service: world, node: world)
    // Copies inherit the error handler, and so return their errors too.
    try check(cmpi_duplicate(world, &channels.messages), "MPI_Comm_dup", rank: rank)
    try check(cmpi_duplicate(world, &channels.service), "MPI_Comm_dup", rank: rank)

    var localRank: Int32 = 0
    var localSize: Int32 = 0
    try check(cmpi_split_by_node(world, worldRank, &channels.node), "MPI_Comm_split_type", rank: rank)
    try check(cmpi_rank(channels.node, &localRank), "MPI_Comm_rank", rank: rank)
    try check(cmpi_size(channels.node, &localSize), "MPI_Comm_size", rank: rank)

    var name = [CChar](repeating: 0, count: Int(CMPI_TEXT))
    var length: Int32 = 0
    try check(cmpi_processor_name(&name, &length), "MPI_Get_processor_name", rank: rank)
    return Communicator(
      rank: number, worldSize: Int(worldSize), localRank: Int(localRank), localSize: Int(localSize),
      processorName: string(name, length), channels: channels, chunkBytes: chunkBytes)
  }

  private func watch(_ rules: SilenceRules) {
    guard worldSize > 1 else { return }
    // Of the ranks on rank 0's node, rank 1 speaks for the others.
    lifeSigns = LifeSigns(
      rank: rank, worldSize: worldSize, processorName: processorName, isSpeaker: localRank == 0 || rank == 1, rules)
  }

  private func finalize(_ silence: SilenceRules) throws {
    guard var channels else { return }
    // Quietly: a rank that ends early would otherwise spin in MPI_Finalize until the last one comes.
    try barrier()
    try lifeSigns?.end(self)
    let watch = ReturnWatch("MPI_Finalize", limit: silence.limit, rank: rank, host: processorName)
    defer { watch.end() }
    try check(cmpi_free(&channels.node), "MPI_Comm_free", rank: rank)
    try check(cmpi_free(&channels.messages), "MPI_Comm_free", rank: rank)
    try check(cmpi_free(&channels.service), "MPI_Comm_free", rank: rank)
    try check(cmpi_finalize(), "MPI_Finalize", rank: rank)
  }

  /// Ends every rank.
  private static func abandon(_ error: any Error, rank: Int?, host: String?) -> Never {
    if error is AgreedFailure {
      // Every rank arrives here with the same error. Rank 0 prints it and aborts all ranks; if it is gone, the others
      // still end.
      if let rank, rank > 0 { waitForEnd(code: TransientFailure.exitCode(for: error)) }
      say("\(error)\n")
    } else if error is any Interruption {
      say("headimpact: \(error)\n")
    } else if let rank {
      say("rank \(rank)\(host.map { " on \($0)" } ?? ""): \(error)\n")
    } else {
      say("\(error)\n")
    }
    // The launcher forwards what was written; give it the moment it needs before everything is killed.
    usleep(50_000)
    let code = TransientFailure.exitCode(for: error)
    if error is SilentRank { endLauncher(after: 20) }
    // MPI_Abort may wait for a host that is gone.
    DispatchQueue.global().asyncAfter(deadline: .now() + 10) { _exit(code) }
    cmpi_crash_quietly(code)
    var initialized: Int32 = 0
    if cmpi_initialized(&initialized) == MPI_SUCCESS, initialized != 0 { _ = cmpi_abort(code) }
    _exit(code)
  }

  /// Sleeps until the launcher ends this rank, since rank 0 has spoken; for at most ten seconds.
  private static func waitForEnd(code: Int32) {
    // A job blocks the signal where it computes. Handled here, it cuts the sleep short.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    if sleep(10) > 0 { _exit(code) }
  }

  /// One write, so that the lines of several ranks don't mix.
  static func say(_ line: String) {
    fflush(nil)
    StandardError.write(line)
  }
}
