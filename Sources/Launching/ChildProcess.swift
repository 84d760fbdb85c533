import Foundation
import IO

/// A child process in a process group of its own, so that a terminal's Ctrl-C reaches it only through us.
struct ChildProcess {
  let id: pid_t

  /// Starts a command.
  ///
  /// - Parameters:
  ///   - words: the program, looked up in PATH unless it is a path, and its arguments.
  ///   - standardError: the file descriptor to write to; nil discards everything, standard output too.
  /// - Throws: `LaunchError` naming the program.
  init(_ words: [String], standardError: Int32?) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    if let standardError {
      posix_spawn_file_actions_adddup2(&actions, standardError, 2)
    } else {
      posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
      posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP) | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
    // The signals that launch waits for are blocked here, and must not be there.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    // And what is ignored here.
    var ignored = sigset_t()
    sigemptyset(&ignored)
    sigaddset(&ignored, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &ignored)
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var environment: [UnsafeMutablePointer<CChar>?] =
      ProcessInfo.processInfo.environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for text in arguments + environment { free(text) } }
    var id: pid_t = 0
    let code = posix_spawnp(&id, words[0], &actions, &attributes, &arguments, &environment)
    guard code == 0 else { throw LaunchError("\(words[0]): can't be started: \(String(cString: strerror(code)))") }
    self.id = id
  }

  /// How it ended; nil while it runs. Ask no further once it has said so.
  func poll() -> ProcessEnd? {
    var status: Int32 = 0
    let result = waitpid(id, &status, WNOHANG)
    if result == 0 || (result < 0 && errno == EINTR) { return nil }
    // Somebody else took its end, which nobody here does.
    if result < 0 { return .exited(1) }
    return status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signalled(status & 0x7f)
  }

  func signal(_ number: Int32) { kill(id, number) }

  /// Kills its process group and what it started in others: ssh, and ranks on this machine.
  func killTree() {
    let others = Self.descendants(of: id)
    kill(-id, SIGKILL)
    for other in others { kill(other, SIGKILL) }
  }

  /// The processes that a process started, and what these started.
  private static func descendants(of root: pid_t) -> [pid_t] {
    // Without /proc only the process group is killed.
    let children = Dictionary(grouping: ProcessStatus.all, by: \.value.parent).mapValues { $0.map(\.key) }
    var found: [pid_t] = []
    var open = [root]
    while let next = open.popLast() {
      found += children[next] ?? []
      open += children[next] ?? []
    }
    return found
  }
}
