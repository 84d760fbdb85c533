import Foundation
import Testing

@testable import Launching

@Suite("What follows from a job's end")
struct JobEndTests {
  @Test("success, too many skips and wrong usage end it", arguments: [0, 2, 64] as [Int32])
  func finished(code: Int32) {
    #expect(JobEnd(.exited(code)).verdict == .ends(code))
    #expect(JobEnd(.exited(code), signs: [.lostDaemon], isStopped: true).verdict == .ends(code))
  }

  @Test("a lost rank or host starts it again; the code says whether --resume alone would mend it")
  func lost() {
    let ends: [(JobEnd, Int32)] = [
      (JobEnd(.exited(75)), 75), (JobEnd(.exited(137)), 137), (JobEnd(.exited(143)), 143), (JobEnd(.exited(205)), 75),
      (JobEnd(.signalled(9)), 137), (JobEnd(.exited(1), signs: [.lostDaemon]), 75),
      (JobEnd(.exited(9), signs: [.lostDaemon]), 75), (JobEnd(.signalled(9), isKilled: true), 75),
      (JobEnd(.exited(137), signs: [.interruptedRank]), 75), (JobEnd(.signalled(9), signs: [.interruptedRank]), 75),
    ]
    for (end, code) in ends {
      guard case .restarts(_, code) = end.verdict else {
        Issue.record("\(end): \(end.verdict)")
        continue
      }
    }
  }

  @Test(
    "a failure of the program, a crash, and a failed start end it, unless a host is gone",
    arguments: [1, 127, 132, 134, 135, 139, 255] as [Int32])
  func failed(code: Int32) {
    #expect(JobEnd(.exited(code)).verdict == .dependsOnHosts(code))
    #expect(JobEnd(.exited(code), signs: [.interruptedRank]).verdict == .dependsOnHosts(code))
  }

  @Test("a job that its user stopped isn't started again", arguments: [1, 75, 138, 205] as [Int32])
  func stopped(code: Int32) {
    #expect(JobEnd(.exited(code), isStopped: true).verdict == .ends(75))
    #expect(JobEnd(.signalled(9), isStopped: true).verdict == .ends(75))
  }

  @Test("signs are found wherever the output is cut")
  func signs() {
    let text = Array(
      "x\nrank 3: the same command with --resume goes on\nORTE has lost communication with a remote daemon.\n".utf8)
    for size in [1, 7, 64, 1000] {
      var scanner = SignScanner()
      for start in stride(from: 0, to: text.count, by: size) {
        scanner.scan(text[start..<min(start + size, text.count)])
      }
      #expect(scanner.signs == [.interruptedRank, .lostDaemon], "\(size)")
    }
    var scanner = SignScanner()
    scanner.scan("resuming: 3 of 4; --resume goes".utf8)
    scanner.scan("all is well\n".utf8)
    #expect(scanner.signs.isEmpty)
  }

  @Test("a host that doesn't answer, hangs or lacks the program can't be used; this machine isn't asked")
  func probe() throws {
    let script = FileManager.default.temporaryDirectory.appendingPathComponent("agent-\(UUID().uuidString)")
    try #"case "$1" in good) exec sh -c "$2";; bare) exit 1;; hangs) sleep 60;; *) exit 255;; esac"#
      .write(to: script, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: script) }
    var probe = HostProbe(agent: ["sh", script.path], program: "/bin/sh")
    probe.limit = .seconds(5)
    let list = try HostList(hostfile: "localhost\n127.0.0.1\ngood\nbare\nhangs\ngone\n", path: "h")
    #expect(
      try probe.absences(of: list) == ["bare": .lacksProgram, "hangs": .doesNotAnswer, "gone": .doesNotAnswer])
  }
}
