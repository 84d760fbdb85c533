import Foundation
import IO
import Synchronization
import TestSupport
import Testing

@testable import RunSupport

@Suite("Lock of a run")
struct RunLockTests {
  /// Short, so that a test waits for what a run waits for.
  private var quick: RunLock.Limits {
    var limits = RunLock.Limits()
    (limits.silence, limits.patience) = (0.9, 0.3)
    return limits
  }

  /// Waits as long as the test needs for processes of this machine.
  private var patient: RunLock.Limits {
    var limits = RunLock.Limits()
    (limits.silence, limits.patience) = (0.6, 60)
    return limits
  }

  private func elsewhere(
    host: String = "node7", boot: String? = "another", namespace: String? = "pid:[1]", process: Int32 = 1
  ) -> ProcessMark {
    ProcessMark(host: host, boot: boot, namespace: namespace, process: process, start: 5)
  }

  /// Writes a lock as another process would.
  private func write(_ process: ProcessMark, for output: URL) throws {
    let mark = String(decoding: try JSONEncoder().encode(process), as: UTF8.self)
    let text =
      #"{"process": \#(mark), "begun": "2026-11-27T16:40:00Z", "command": "headimpact score", "silence": 0.9, "token": "a1"}"#
    try Data(text.utf8).write(to: RunLock.url(of: output))
  }

  private func endedProcess() throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    return process.processIdentifier
  }

  @Test("it is a readable file beside the output, nobody else gets it, and it goes with the run")
  func held() throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("hi.h5")
      let lock = try RunLock(for: output, resumes: false)
      #expect(try scratch.names == ["hi.h5.lock"])
      let text = try String(contentsOf: lock.url, encoding: .utf8)
      for word in ["host", "boot_id", "pid_namespace", "\"pid\" : \(getpid())", "start_time", "begun", "command"] {
        #expect(text.contains(word), "\(text)")
      }
      for resumes in [false, true] {
        let error = #expect(throws: JobError.self) { try RunLock(for: output, resumes: resumes, limits: quick) }
        let message = error?.description ?? ""
        for word in ["\(output.path): another run", "process \(getpid())", "--output", "--resume"] {
          #expect(message.contains(word), "\(message)")
        }
      }
      try lock.check()
      lock.release()
      #expect(try scratch.names.isEmpty)
      try RunLock(for: output, resumes: false).release()
    }
  }

  @Test("a process that is gone leaves its lock to the next run at once, also if another has its number by now")
  func deadProcess() throws {
    try ScratchFolder.with { scratch in
      let (output, own) = (scratch.file("out"), ProcessMark.current)
      for (process, start) in [(try endedProcess(), UInt64(7)), (getpid(), try #require(own.start) + 1)] {
        try write(
          ProcessMark(host: own.host, boot: own.boot, namespace: own.namespace, process: process, start: start),
          for: output)
        let begun = MonotonicClock.now
        let lock = try RunLock(for: output, resumes: false)
        #expect(MonotonicClock.now - begun < 5)
        try lock.check()
        lock.release()
        #expect(try scratch.names.isEmpty)
      }
    }
  }

  @Test("another machine's, another start's and another container's lock is taken over once it has been silent")
  func silent() throws {
    try ScratchFolder.with { scratch in
      let (output, own) = (scratch.file("out"), ProcessMark.current)
      let ended = try endedProcess()
      for process in [
        elsewhere(boot: own.boot, namespace: own.namespace),
        elsewhere(host: own.host, namespace: own.namespace, process: ended),
        elsewhere(host: own.host, boot: own.boot, process: ended),
      ] {
        try write(process, for: output)
        #expect(throws: JobError.self) { try RunLock(for: output, resumes: false, limits: quick) }
        var told: [String] = []
        var waits = 0
        let begun = MonotonicClock.now
        let lock = try RunLock(
          for: output, resumes: true, limits: quick, tell: { told.append($0) }, wait: { waits += 1 })
        #expect(MonotonicClock.now - begun > 0.5)
        #expect(told.count == 1 && waits > 0)
        let text = told.first ?? ""
        #expect(
          text.contains("waits for out, held by host \(process.host), process \(process.process), since"), "\(text)")
        lock.release()
        #expect(try scratch.names.isEmpty)
      }
    }
  }

  @Test("an empty lock, or one that says nothing, is judged by its silence", arguments: ["", "nonsense", "{}"])
  func unreadable(text: String) throws {
    struct Enough: Error {}
    try ScratchFolder.with { scratch in
      let output = scratch.file("out")
      try Data(text.utf8).write(to: RunLock.url(of: output))
      #expect(throws: JobError.self) { try RunLock(for: output, resumes: false, limits: quick) }
      var told: [String] = []
      #expect(throws: Enough.self) {
        try RunLock(for: output, resumes: true, limits: quick, tell: { told.append($0) }, wait: { throw Enough() })
      }
      #expect(told.count == 1 && told[0].contains("a run that its lock doesn't name"), "\(told)")
      #expect(told[0].contains("silent for 120 s more") || told[0].contains("silent for 119 s more"), "\(told)")
    }
  }

  @Test("a link to nothing in the lock's place is an error, and no endless wait")
  func linkToNothing() throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("out")
      #expect(symlink("nowhere", RunLock.url(of: output).path) == 0)
      #expect(throws: EnvironmentFault.self) { try RunLock(for: output, resumes: true, limits: quick) }
    }
  }

  @Test("how long silence must last is the lock's own; the environment sets it for this run's")
  func environment() throws {
    #expect(try RunLock.Limits(environment: [:]).silence == 120)
    #expect(try RunLock.Limits(environment: ["HEADIMPACT_LOCK_SILENCE": "30"]).silence == 30)
    for text in ["", "5", "long", "1e9", "nan"] {
      let error = #expect(throws: JobError.self) {
        try RunLock.Limits(environment: ["HEADIMPACT_LOCK_SILENCE": text])
      }
      #expect(error?.description.contains("in 6...3600") == true)
    }
  }

  @Test("a lock that was silent for long is watched all the same, without --resume too; its holder may just be slow")
  func watched() throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("out")
      try write(elsewhere(), for: output)
      var times = [timespec(tv_sec: 1_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000, tv_nsec: 0)]
      try #require(utimensat(AT_FDCWD, RunLock.url(of: output).path, &times, 0) == 0)
      let begun = MonotonicClock.now
      try RunLock(for: output, resumes: false, limits: quick, tell: { _ in }).release()
      #expect(MonotonicClock.now - begun > 0.15)
    }
  }

  @Test("a lock that is touched is in use, however long --resume waits")
  func touched() throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("out")
      try write(elsewhere(), for: output)
      let error = #expect(throws: JobError.self) {
        try RunLock(
          for: output, resumes: true, limits: quick, tell: { _ in },
          wait: { utimensat(AT_FDCWD, RunLock.url(of: output).path, nil, 0) })
      }
      #expect(error?.description.contains("host node7, process 1") == true)
      #expect(try scratch.names == ["out.lock"])
    }
  }

  @Test("it is touched while the run computes")
  func renewed() throws {
    try ScratchFolder.with { scratch in
      let lock = try RunLock(for: scratch.file("out"), resumes: false, limits: quick)
      defer { lock.release() }
      let first = try #require(try LockSight(lock.url)).renewed
      let end = MonotonicClock.now + 20
      while try #require(try LockSight(lock.url)).renewed == first, MonotonicClock.now < end { usleep(50_000) }
      #expect(try #require(try LockSight(lock.url)).renewed > first)
    }
  }

  @Test("a run notices that its lock is gone, or another's, or that its folder is")
  func lost() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("folder")
      for (lose, words) in [
        ({ try FileManager.default.removeItem(at: $0) }, ["folder/out.lock: was removed"]),
        (
          { _ in try self.write(self.elsewhere(), for: folder.appendingPathComponent("out")) }, ["host node7", "stops"]
        ),
        ({ _ in try FileManager.default.removeItem(at: folder) }, ["\(folder.path): was removed or renamed"]),
      ] as [((URL) throws -> Void, [String])] {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let lock = try RunLock(for: folder.appendingPathComponent("out"), resumes: false, limits: quick)
        try lock.check()
        try lose(lock.url)
        usleep(100_000)
        let text = failure { try lock.check() } ?? "not noticed"
        for word in words { #expect(text.contains(word), "\(text)") }
        lock.release()
        // What isn't its own stays.
        #expect(FileManager.default.fileExists(atPath: lock.url.path) == words.contains("stops"))
        try? FileManager.default.removeItem(at: folder)
      }
    }
  }

  @Test("of many that take a lock over at once, one has it at a time, and none loses it")
  func race() throws {
    try ScratchFolder.with { scratch in
      let (output, own) = (scratch.file("out"), ProcessMark.current)
      let ended = try endedProcess()
      let limits = patient
      let inside = Atomic(0)
      let most = Atomic(0)
      let done = Atomic(0)
      for _ in 0..<3 {
        try write(
          ProcessMark(host: own.host, boot: own.boot, namespace: own.namespace, process: ended, start: 7), for: output)
        DispatchQueue.concurrentPerform(iterations: 6) { _ in
          do {
            let lock = try RunLock(for: output, resumes: true, limits: limits)
            let count = inside.add(1, ordering: .relaxed).newValue
            most.max(count, ordering: .relaxed)
            usleep(60_000)
            try lock.check()
            inside.subtract(1, ordering: .relaxed)
            lock.release()
            done.add(1, ordering: .relaxed)
          } catch { Issue.record(error) }
        }
      }
      #expect(most.load(ordering: .relaxed) == 1 && done.load(ordering: .relaxed) == 18)
      #expect(try scratch.names.isEmpty)
    }
  }

  @Test("between processes: the second is refused, and gets it once the first is killed")
  func processes() async throws {
    try await ScratchFolder.with { scratch in
      let script = """
        "$0" run-lock out 60 & first=$!
        for n in $(seq 200); do [ -s out.lock ] && break; sleep 0.05; done
        "$0" run-lock out 0; echo "second $?"
        kill -9 $first; wait $first
        "$0" run-lock out 0; echo "third $?"
        """
      let program = MPIRun.productFolder.appendingPathComponent("mpi-cases").path
      let run = try await MPIRun.run(["sh", "-c", script, program], folder: scratch.url)
      #expect(run.standardOutput.contains("second 1\n") && run.standardOutput.contains("third 0\n"), "\(run)")
      #expect(run.standardError.contains("another run is writing to it"), "\(run)")
      #expect(try scratch.names.isEmpty)
    }
  }
}
