import Foundation
import RunSupport
import TestSupport
import Testing

@testable import Scoring

extension ScoringRuns {
  @Suite("Stopped and resumed")
  struct ResumeTests {
    @Test("a run that is killed resumes on other ranks to the same bits", arguments: [Killed.everything, .oneRank])
    func killed(victim: Killed) async throws {
      try await ScratchFolder.with { scratch in
        var edited = try EditedDataset(.nested, in: scratch)
        try edited.repeatEntries(150)
        let (dataset, images) = (edited.file, edited.images)
        func arguments(_ output: URL, _ more: String...) -> [String] {
          TinyCase.nested.score(
            to: output, "--precision", "f32", "--threads", "1", "--bootstrap", "20", dataset: dataset, images: images)
            + more
        }
        let whole = scratch.file("whole.h5")
        try await succeed(arguments(whole))

        let output = scratch.file("hi.h5")
        let journal = scratch.file("hi.h5.journal")
        async let stopped = MPIRun.launch("headimpact", arguments(output), ranks: 2, timeout: 120)
        try await waitUntil("the journal grows") { size(of: journal) > 60_000 }
        let victims = processes(of: output, victim)
        for process in victims { kill(process, SIGKILL) }
        #expect(!victims.isEmpty)
        #expect(try await stopped.exitCode != 0)
        try await waitUntil("the ranks end") { processes(of: output, .everything).isEmpty }
        try #require(!FileManager.default.fileExists(atPath: output.path), "the run ended before it was killed")

        let resumed = try await succeed(arguments(output, "--resume").filter { $0 != "--quiet" }, ranks: 3)
        #expect(resumed.standardError.contains(/resuming: [1-9][0-9]* of 1200 samples (?:is|are) done/))
        let differences = try Results(output).differences(from: Results(whole))
        #expect(differences.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: journal.path))
      }
    }

    @Test("a strict run that stopped continues once its image exists, wherever its journal is cut")
    func cutJournals() async throws {
      try await ScratchFolder.with { scratch in
        let stopped = try await Stopped(in: scratch)
        let journal = try Data(contentsOf: stopped.journal)
        try stopped.mend()
        let whole = scratch.file("whole.h5")
        try await succeed(stopped.arguments(to: whole))
        let expected = try Results(whole)
        for cut in [0, 5, 11, 200, journal.count / 2, journal.count - 1, journal.count] {
          try journal.prefix(cut).write(to: stopped.journal)
          let run = try await run(stopped.arguments("--resume"))
          #expect(run.exitCode == 0, "\(run.standardError)")
          #expect(run.standardError.contains(stopped.journal.path) == (cut < journal.count), "\(run.standardError)")
          let differences = try Results(stopped.output).differences(from: expected)
          #expect(differences.isEmpty, "cut at \(cut)")
          #expect(!FileManager.default.fileExists(atPath: stopped.journal.path))
          try FileManager.default.removeItem(at: stopped.output)
        }
      }
    }

    @Test("a journal damaged in the middle is refused, or continued with --salvage, with the same bits")
    func damaged() async throws {
      try await ScratchFolder.with { scratch in
        let stopped = try await Stopped(in: scratch)
        try stopped.mend()
        let whole = scratch.file("whole.h5")
        try await succeed(stopped.arguments(to: whole))
        var journal = try Data(contentsOf: stopped.journal)
        // In the first record's bytes, behind the run's identity.
        let at = 11 + 24 + Int(journal[11]) + 256 * Int(journal[12]) + 24 + 40
        journal[at] ^= 1
        try journal.write(to: stopped.journal)
        try await fail(stopped.arguments("--resume"), ranks: 2, saying: stopped.journal.path, "--salvage", "1 record,")
        #expect(try Data(contentsOf: stopped.journal) == journal)
        let run = try await succeed(stopped.arguments("--resume", "--salvage"), ranks: 2)
        #expect(run.standardError.contains("are lost"), "\(run.standardError)")
        let differences = try Results(stopped.output).differences(from: Results(whole))
        #expect(differences.isEmpty)
      }
    }

    @Test("a record that the journal has twice is summed once")
    func twice() async throws {
      try await ScratchFolder.with { scratch in
        let stopped = try await Stopped(in: scratch)
        try stopped.mend()
        let whole = scratch.file("whole.h5")
        try await succeed(stopped.arguments(to: whole))
        let journal = try Data(contentsOf: stopped.journal)
        let first = 11 + 24 + Int(journal[11]) + 256 * Int(journal[12])
        try (journal + journal[first...]).write(to: stopped.journal)
        try await succeed(stopped.arguments("--resume"))
        let differences = try Results(stopped.output).differences(from: Results(whole))
        #expect(differences.isEmpty)
      }
    }

    @Test("resuming with other inputs is refused, naming what differs")
    func otherInputs() async throws {
      try await ScratchFolder.with { scratch in
        let stopped = try await Stopped(in: scratch)
        let journal = try Data(contentsOf: stopped.journal)
        for (option, value, before) in [
          ("--coverage", "0.25", "0.5"), ("--prompt", "What is it?", JobDefaults.prompt),
          ("--precision", "f32", "bf16"), ("--limit", "3", "none"), ("--query", "predicting", "token"),
          ("--seed", "1", "0"), ("--sink-factor", "3.0", "10.0"), ("--bootstrap", "7", "1000"),
        ] {
          try await fail(
            stopped.arguments("--resume", option, value), saying: "\(option) was \(before) and now is \(value)")
        }
        try await fail(
          TinyCase.all[2].score(to: stopped.output, "--resume", dataset: stopped.dataset, images: stopped.images),
          saying: "model (SHA-256) was ")
        try await fail(
          TinyCase.nested.score(
            to: stopped.output, "--resume", dataset: TinyCase.all[2].dataset, images: stopped.images),
          ranks: 2, saying: "dataset (SHA-256) was ", "rank 0: ")
        #expect(try Data(contentsOf: stopped.journal) == journal)
        #expect(!FileManager.default.fileExists(atPath: stopped.output.path))
      }
    }

    @Test("--strict doesn't resume a run that has skipped samples", arguments: [nil, 2])
    func strictAfterSkipping(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        var edited = try EditedDataset(.nested, in: scratch)
        // Its annotation is 65.
        try edited.edit("images", 3) { $0["width"] = 999 }
        let output = scratch.file("hi.h5")
        let arguments = TinyCase.nested.score(to: output, dataset: edited.file, images: edited.images)
        // The journal has room, the output has not.
        try await fail(
          arguments, prefix: ["sh", "-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"], saying: "File too large")
        try await fail(
          arguments + ["--resume", "--strict"], ranks: ranks, saying: "annotation 65 could not be used", "--strict")
        try await skipTooMany(arguments + ["--resume"], ranks: ranks)
        #expect(try skipped(in: output).keys.sorted() == [65])
      }
    }

    @Test("without --resume existing files are left alone, and both remedies are named", arguments: [nil, 2])
    func existing(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        for name in ["hi.h5", "hi.h5.journal"] {
          let file = scratch.file(name)
          try Data("precious".utf8).write(to: file)
          try await fail(
            TinyCase.nested.score(to: scratch.file("hi.h5")), ranks: ranks, saying: file.path, "--resume", "--overwrite"
          )
          #expect(try Data(contentsOf: file) == Data("precious".utf8))
          try FileManager.default.removeItem(at: file)
        }
      }
    }

    @Test("an output that another run is writing to is refused, and its journal isn't touched", arguments: [nil, 2])
    func locked(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let stopped = try await Stopped(in: scratch)
        let before = try Data(contentsOf: stopped.journal)
        let lock = try RunLock(for: stopped.output, resumes: false)
        try await fail(
          stopped.arguments("--resume"), ranks: ranks, saying: "\(stopped.output.path): another run is writing to it",
          "process \(getpid())")
        #expect(try Data(contentsOf: stopped.journal) == before)
        lock.release()
        try stopped.mend()
        try await succeed(stopped.arguments("--resume"), ranks: ranks)
      }
    }

    @Test("resuming a finished run says so and changes nothing", arguments: [nil, 2])
    func finished(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await succeed(TinyCase.nested.score(to: output))
        let before = try Data(contentsOf: output)
        let run = try await succeed(TinyCase.nested.score(to: output, "--resume"), ranks: ranks)
        #expect(run.standardOutput.contains("already finished"))
        #expect(try Data(contentsOf: output) == before)
        #expect(try scratch.names == ["hi.h5"])
      }
    }

    @Test("a finished output of other inputs isn't passed off as this run's", arguments: [nil, 2])
    func finishedOther(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        try await succeed(TinyCase.nested.score(to: output))
        try await fail(
          TinyCase.nested.score(to: output, "--resume", "--coverage", "0.25", "--limit", "2"), ranks: ranks,
          saying: "\(output.path): is finished", "--coverage was 0.5 and now is 0.25",
          "--limit was none and now is 2")
        try await fail(
          TinyCase.nested.score(to: output, "--resume", model: TinyCase.all[2].model), ranks: ranks,
          saying: "model (SHA-256) was ")
      }
    }

    @Test("a run killed between writing its output and removing its journal can be resumed")
    func killedAtTheEnd() async throws {
      try await ScratchFolder.with { scratch in
        let stopped = try await Stopped(in: scratch)
        try stopped.mend()
        let journal = try Data(contentsOf: stopped.journal)
        try await succeed(stopped.arguments("--resume"))
        let before = try Results(stopped.output)
        try journal.write(to: stopped.journal)
        try await succeed(stopped.arguments("--resume"))
        let differences = try Results(stopped.output).differences(from: before)
        #expect(differences.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: stopped.journal.path))
      }
    }

    @Test("--resume with nothing to resume begins")
    func nothingToResume() async throws {
      try await ScratchFolder.with { scratch in
        try await succeed(TinyCase.nested.score(to: scratch.file("hi.h5"), "--resume"))
        #expect(try scratch.names == ["hi.h5"])
      }
    }
  }
}

enum Killed: Sendable {
  /// mpirun and every rank, as when the node goes down.
  case everything
  /// One rank, not the first.
  case oneRank
}

/// A strict run that ended at its last image, which is missing: it left a journal of all others.
private struct Stopped {
  let dataset: URL
  let images: URL
  let output: URL
  var journal: URL { output.appendingPathExtension("journal") }

  init(in scratch: ScratchFolder) async throws {
    let edited = try EditedDataset(.nested, in: scratch)
    (dataset, images, output) = (edited.file, edited.images, scratch.file("hi.h5"))
    try FileManager.default.removeItem(at: images.appendingPathComponent("0003.jpg"))
    try await fail(arguments("--strict"), saying: "0003.jpg")
    try #require(size(of: journal) > 5000)
  }

  func arguments(_ more: String..., to other: URL? = nil) -> [String] {
    TinyCase.nested.score(to: other ?? output, dataset: dataset, images: images) + more
  }

  /// Puts the missing image in its place.
  func mend() throws {
    try FileManager.default.copyItem(
      at: TinyCase.nested.images.appendingPathComponent("0003.jpg"), to: images.appendingPathComponent("0003.jpg"))
  }
}

private func size(of file: URL) -> Int {
  (try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int) ?? 0
}

private func waitUntil(_ what: String, _ isSo: () -> Bool) async throws {
  let end = Date().addingTimeInterval(60)
  while !isSo() {
    try #require(Date() < end, "waited 60 seconds until \(what)")
    try await Task.sleep(for: .milliseconds(2))
  }
}

/// Processes of the run with this output.
private func processes(of output: URL, _ kind: Killed) -> [pid_t] {
  let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  return entries.compactMap { pid_t($0) }.filter { pid in
    func words(_ file: String) -> [Substring] {
      let data = FileManager.default.contents(atPath: "/proc/\(pid)/\(file)") ?? Data()
      return String(decoding: data, as: UTF8.self).split(separator: "\0")
    }
    let command = words("cmdline")
    guard let program = command.first, command.contains(where: { $0 == output.path }) else { return false }
    switch kind {
    case .everything: return true
    case .oneRank:
      let variables = words("environ")
      return program.hasSuffix("headimpact")
        && Meanwhile.environment(ofRank: 1).contains { variables.contains(Substring($0)) }
    }
  }
}
