import Foundation

/// A thread beside the one that computes, for what would make that one wait: files that are read, written or looked at.
///
/// It takes no signals but those of its own crashes, and has a stack of 8 MiB whatever `ulimit -s` says. Nobody waits for
/// it where the value is dropped without `join()`.
public struct SideThread: ~Copyable, Sendable {
  private let handle: pthread_t

  /// - Parameter body: what the thread does; what it captures lives until it returns.
  /// - Returns: nil if the system gives no thread: whoever wanted one does the work itself, then or later.
  public init?(_ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return nil }
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 8 << 20)
    // Signals are for others, but a crash that is blocked would end the process without a word.
    var (others, before) = (sigset_t(), sigset_t())
    sigfillset(&others)
    for crash in [SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT] { sigdelset(&others, crash) }
    pthread_sigmask(SIG_SETMASK, &others, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var handle = pthread_t()
    let own = Unmanaged.passRetained(Body(run: body))
    let code = pthread_create(
      &handle, &attributes,
      { own in
        guard let own else { return nil }
        Unmanaged<Body>.fromOpaque(own).takeRetainedValue().run()
        return nil
      }, own.toOpaque())
    guard code == 0 else {
      own.release()
      return nil
    }
    self.handle = handle
  }

  deinit { pthread_detach(handle) }

  /// Waits for the thread's end.
  public consuming func join() {
    pthread_join(handle, nil)
    discard self
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void

    init(run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
