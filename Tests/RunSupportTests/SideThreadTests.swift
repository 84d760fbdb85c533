import Foundation
import RunSupport
import Synchronization
import Testing

@Suite("A thread beside the one that computes")
struct SideThreadTests {
  /// What a thread's body captures, to see when it is let go.
  private final class Captured: Sendable {
    let flag: Flag

    init(_ flag: Flag) { self.flag = flag }

    deinit { flag.value.withLock { $0 = true } }
  }

  private final class Flag: Sendable {
    let value = Mutex(false)
  }

  @Test("has done its work, and let go of what it captured, when it is joined")
  func joined() throws {
    let (isDone, isFreed) = (Flag(), Flag())
    var captured: Captured? = Captured(isFreed)
    let thread = SideThread { [captured] in
      usleep(20_000)
      withExtendedLifetime(captured) { isDone.value.withLock { $0 = true } }
    }
    captured = nil
    guard let thread else {
      Issue.record("the system gives no thread")
      return
    }
    thread.join()
    #expect(isDone.value.withLock { $0 } && isFreed.value.withLock { $0 })
  }

  @Test("goes on when nobody waits for it")
  func dropped() {
    let (gate, end) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    _ = SideThread {
      gate.wait()
      end.signal()
    }
    gate.signal()
    #expect(end.wait(timeout: .now() + 10) == .success)
  }

  @Test("leaves stop signals to others, but not its own crashes, and changes nothing for its maker")
  func signals() {
    let blocked = Mutex<[Int32]>([])
    let numbers = [SIGTERM, SIGINT, SIGCHLD, SIGPIPE, SIGSEGV, SIGBUS, SIGABRT]
    func masked() -> [Int32] {
      var mask = sigset_t()
      pthread_sigmask(SIG_SETMASK, nil, &mask)
      return numbers.filter { sigismember(&mask, $0) == 1 }
    }
    let before = masked()
    SideThread {
      var mask = sigset_t()
      pthread_sigmask(SIG_SETMASK, nil, &mask)
      let found = numbers.filter { sigismember(&mask, $0) == 1 }
      blocked.withLock { $0 = found }
    }?.join()
    #expect(blocked.withLock { $0 } == [SIGTERM, SIGINT, SIGCHLD, SIGPIPE])
    #expect(masked() == before)
  }
}
