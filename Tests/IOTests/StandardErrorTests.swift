import Foundation
import Testing

@testable import IO

@Suite("What nobody reads")
struct StandardErrorTests {
  @Test("a pipe that nobody reads any more doesn't end the process, nor leave a signal behind")
  func brokenPipe() {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    StandardError.write(Array("one\n".utf8), to: ends[1])
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(read(ends[0], &bytes, 10) == 4 && bytes.prefix(4) == ArraySlice("one\n".utf8))
    close(ends[0])
    for _ in 0..<3 { StandardError.write(Array("two\n".utf8), to: ends[1]) }
    close(ends[1])
    var waiting = sigset_t()
    sigpending(&waiting)
    #expect(sigismember(&waiting, SIGPIPE) == 0)
  }

  @Test("a full disk and a closed file don't, either")
  func unwritable() {
    let full = open("/dev/full", O_WRONLY)
    #expect(full >= 0)
    StandardError.write(Array("three\n".utf8), to: full)
    close(full)
    StandardError.write(Array("four\n".utf8), to: -1)
  }

  @Test("a pipe that doesn't wait is waited for")
  func nonblocking() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    #expect(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0)
    let count = 1 << 20
    let (input, output) = (ends[0], ends[1])
    let writer = Thread {
      StandardError.write([UInt8](repeating: 7, count: count), to: output)
      close(output)
    }
    writer.start()
    let read = try FileHandle(fileDescriptor: input, closeOnDealloc: true).readToEnd()
    #expect(read?.count == count)
  }
}
