import Foundation

/// What the program tells its user, who may not be listening.
public enum StandardError {
  /// Writes the text, at once where the system allows, so that the lines of several processes don't mix.
  public static func write(_ text: String) { write(Array(text.utf8)) }

  /// Writes what can be written. Where nobody reads it any more (a closed terminal, `2>&1 | head -1`), or the disk of a log
  /// is full, it is lost and the run goes on: Foundation's writer would end the process.
  public static func write(_ bytes: [UInt8]) { write(bytes, to: STDERR_FILENO) }

  static func write(_ bytes: [UInt8], to file: Int32) {
    withoutBrokenPipes {
      bytes.withUnsafeBytes { bytes in
        var done = 0
        while done < bytes.count {
          let count = Foundation.write(file, bytes.baseAddress?.advanced(by: done), bytes.count - done)
          if count > 0 {
            done += count
          } else if count < 0, errno == EAGAIN {
            // Another process made the pipe or terminal one that doesn't wait.
            var room = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
            guard poll(&room, 1, 10_000) > 0 else { return }
          } else if count == 0 || errno != EINTR {
            return
          }
        }
      }
    }
  }

  /// Runs `body` on a thread that SIGPIPE doesn't end. Standard output keeps the signal: a command in front of `head` ends.
  private static func withoutBrokenPipes(_ body: () -> Void) {
    var broken = sigset_t()
    var before = sigset_t()
    var waiting = sigset_t()
    sigemptyset(&broken)
    sigaddset(&broken, SIGPIPE)
    sigpending(&waiting)
    pthread_sigmask(SIG_BLOCK, &broken, &before)
    body()
    // One of our own writes.
    if sigismember(&waiting, SIGPIPE) == 0 {
      var now = timespec()
      while sigtimedwait(&broken, nil, &now) < 0, errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
}
