import Foundation
import IO
import LowRankAdaptation
import RunSupport
import TestSupport
import Testing

@testable import AdapterTraining

@Suite("Checkpoints")
struct CheckpointsTests {
  private static let identity = RunIdentity([("a", "1")])

  private func configuration(_ scratch: ScratchFolder, salvages: Bool = true) -> TrainConfiguration {
    var c = TrainConfiguration(
      model: scratch.file("m"), dataset: scratch.file("d"), images: scratch.file("i"),
      output: scratch.file("disk/adapter"))
    if salvages { c.salvageFolder = scratch.file("other") }
    return c
  }

  private func state(_ step: Int) -> TrainingState {
    TrainingState(
      step: step, optimiser: AdamW(weightDecay: 0, step: step, firstMoments: [1, 2], secondMoments: [3, 4]))
  }

  private func open(
    _ c: TrainConfiguration, identity: RunIdentity = identity, lock: RunLock? = nil,
    warn: @escaping (String) -> Void = { Issue.record("\($0)") }
  ) throws -> Checkpoints {
    try Checkpoints(
      c, identity: identity, lock: lock, parameters: { [5, 6] },
      write: { place, alongside in
        try FileSystem.makeFolder(place)
        try alongside(place)
      }, warn: warn)
  }

  /// A file where the folder of checkpoints should be: nothing can be written there, also by root.
  private func block(_ c: TrainConfiguration) throws {
    try FileSystem.makeFolder(c.output.deletingLastPathComponent())
    try Data().write(to: c.workFolder)
  }

  @Test("they are due by steps and by time, each after the one before")
  func due() throws {
    try ScratchFolder.with { scratch in
      var c = configuration(scratch)
      c.checkpointEvery = 3
      let bySteps = try open(c)
      #expect((1...6).filter { bySteps.isDue(at: state($0)) } == [3, 6])
      (c.checkpointEvery, c.checkpointMinutes) = (nil, 0)
      #expect(try !open(c).isDue(at: state(3)))
      c.checkpointMinutes = 0.1 / 60
      let byTime = try open(c)
      #expect(!byTime.isDue(at: state(1)))
      usleep(120_000)
      #expect(byTime.isDue(at: state(1)))
      #expect(byTime.save(state(1)) && !byTime.isDue(at: state(1)))
    }
  }

  @Test("one that can't be written goes to the other folder, with a warning, and is found there; the newest counts")
  func salvaged() throws {
    try ScratchFolder.with { scratch in
      let c = configuration(scratch)
      try block(c)
      var warnings: [String] = []
      let checkpoints = try open(c) { warnings.append($0) }
      #expect(checkpoints.save(state(4)))
      let place = try #require(try c.salvagedFolder).appendingPathComponent("checkpoint-00000004")
      let text = warnings.first ?? ""
      #expect(warnings.count == 1)
      for word in [
        c.workFolder.path, "can't be written", "It is in \(place.path) instead", "--resume", "--salvage-dir",
      ] {
        #expect(text.contains(word), "\(text)")
      }
      // There is room again.
      try FileSystem.remove(c.workFolder)
      #expect(failure { try open(c) }?.contains(place.deletingLastPathComponent().path) == true, "without --resume")
      var resuming = c
      resuming.resumes = true
      #expect(try open(resuming).load()?.state.step == 4)
      #expect(checkpoints.save(state(5)) && warnings.count == 1)
      #expect(try open(resuming).load()?.state.step == 5)
      resuming.salvageFolder = nil
      #expect(try open(resuming).load()?.state.step == 5)
      try checkpoints.remove()
      #expect(!FileManager.default.fileExists(atPath: c.workFolder.path))
      #expect(!FileManager.default.fileExists(atPath: place.path))
    }
  }

  @Test("without another folder it stays in memory, with a warning, and the next one may succeed")
  func inMemory() throws {
    try ScratchFolder.with { scratch in
      let c = configuration(scratch, salvages: false)
      try block(c)
      var warnings: [String] = []
      let checkpoints = try open(c) { warnings.append($0) }
      #expect(!checkpoints.save(state(4)))
      #expect(warnings.count == 1 && warnings[0].contains("in memory only") && warnings[0].contains("goes on"))
      let lost = "\(checkpoints.rescue(state(4), from: JobError("no room")))"
      #expect(lost.hasPrefix("no room\n") && lost.contains("there is no checkpoint"), "\(lost)")
      try FileSystem.remove(c.workFolder)
      let kept = "\(checkpoints.rescue(state(4), from: JobError("no room")))"
      #expect(kept.contains("kept in \(c.workFolder.path)/checkpoint-00000004"), "\(kept)")
    }
  }

  @Test("another run's checkpoints in the folder to salvage to are neither taken nor replaced")
  func otherRun() throws {
    try ScratchFolder.with { scratch in
      let c = configuration(scratch)
      try block(c)
      let isSaved = try open(c, warn: { _ in }).save(state(9))
      #expect(isSaved)
      try FileSystem.remove(c.workFolder)
      let warnings = Warnings()
      let other = try open(resuming(c), identity: RunIdentity([("a", "2")]), warn: warnings.add)
      let refusal = failure { _ = try other.load() } ?? "accepted"
      #expect(refusal.contains("a was 1 and now is 2"), "\(refusal)")
      try block(c)
      let isSavedToo = other.save(state(10))
      #expect(!isSavedToo && warnings.texts.count == 1)
      #expect(warnings.texts.first?.contains("a was 1 and now is 2") == true, "\(warnings.texts)")
      let names = try FileSystem.names(in: try #require(try c.salvagedFolder))
      #expect(names == ["checkpoint-00000009"])
    }
  }

  @Test("a run that ends removes its own checkpoints, and not what another has salvaged to the same folder")
  func removed() throws {
    try ScratchFolder.with { scratch in
      let c = configuration(scratch)
      try block(c)
      let (one, other) = (try open(c, warn: { _ in }), try open(c, identity: RunIdentity([("a", "2")])))
      let isSaved = one.save(state(9))
      #expect(isSaved)
      try other.remove()
      let salvaged = try #require(try c.salvagedFolder)
      #expect(try FileSystem.names(in: salvaged) == ["checkpoint-00000009"])
      try one.remove()
      #expect(!FileManager.default.fileExists(atPath: salvaged.path))
    }
  }

  private func resuming(_ configuration: TrainConfiguration) -> TrainConfiguration {
    var c = configuration
    c.resumes = true
    return c
  }

  private final class Warnings {
    private(set) var texts: [String] = []
    func add(_ text: String) { texts.append(text) }
  }

  @Test("a run whose folder vanished salvages its state; one that lost its lock to another writes nothing")
  func lost() throws {
    for isTaken in [false, true] {
      try ScratchFolder.with { scratch in
        let c = configuration(scratch)
        let folder = c.output.deletingLastPathComponent()
        try FileSystem.makeFolder(folder)
        var limits = RunLock.Limits()
        limits.silence = 0.9
        let lock = try RunLock(for: c.output, resumes: false, limits: limits)
        defer { lock.release() }
        let checkpoints = try open(c, lock: lock, warn: { _ in })
        try checkpoints.requireOutput()
        if isTaken {
          let text = String(decoding: try InputFile.read(lock.url), as: UTF8.self)
          try Data(text.replacing("\"pid\" : ", with: "\"pid\" : 1").utf8).write(to: lock.url, options: .atomic)
        } else {
          try FileSystem.remove(folder)
        }
        usleep(100_000)
        #expect(throws: LockLost.self) { try checkpoints.requireOutput() }
        #expect(checkpoints.save(state(4)) != isTaken)
        #expect(!FileManager.default.fileExists(atPath: c.workFolder.path))
        let salvaged = try #require(try c.salvagedFolder).appendingPathComponent("checkpoint-00000004")
        #expect(FileManager.default.fileExists(atPath: salvaged.path) != isTaken)
      }
    }
  }

  @Test("a damaged one is refused by its name, or an intact one is used with a warning")
  func damaged() throws {
    try ScratchFolder.with { scratch in
      let c = configuration(scratch)
      let isSaved = try open(c).save(state(4))
      #expect(isSaved)
      let first = c.workFolder.appendingPathComponent("checkpoint-00000004")
      let second = c.workFolder.appendingPathComponent("checkpoint-00000006")
      try FileManager.default.copyItem(at: first, to: second)
      let file = second.appendingPathComponent("state.safetensors")
      let whole = try Data(contentsOf: file)
      for at in [0, 9, whole.count / 2, whole.count - 1] {
        var flipped = whole
        flipped[at] ^= 8
        try flipped.write(to: file)
        let warnings = Warnings()
        let step = try open(resuming(c), warn: warnings.add).load()?.state.step
        #expect(step == 4)
        #expect(warnings.texts.count == 1 && warnings.texts[0].contains(file.path), "\(warnings.texts)")
      }
      try FileSystem.remove(first)
      let alone = try open(resuming(c))
      let refusal = failure { _ = try alone.load() } ?? "accepted"
      #expect(refusal.contains(file.path) && refusal.contains("Remove it"), "\(refusal)")
      try whole.write(to: file)
      try FileSystem.remove(second.appendingPathComponent("state.sha256"))
      #expect(failure { _ = try alone.load() }?.contains("is damaged") == true)
    }
  }

  @Test("no room is an error before the first step, or a warning if the other folder has it")
  func room() throws {
    try ScratchFolder.with { scratch in
      let few = Checkpoints.bytesNeeded(count: 1000, hasBest: true, steps: 10, keepsCheckpoints: true)
      #expect(few > 4 * 1000 * (1 + 1 + 2 * 5) && few < 1 << 20)
      #expect(Checkpoints.bytesNeeded(count: 1000, hasBest: false, steps: 10, keepsCheckpoints: false) < few / 2)
      var c = configuration(scratch, salvages: false)
      try open(c).requireRoom(bytes: few, for: c.output)
      let text = failure { try open(c).requireRoom(bytes: 1 << 60, for: c.output) } ?? "accepted"
      #expect(text.contains("\(1 << 40) MiB") && text.contains("free"), "\(text)")
      // A file system that says nothing of its room.
      c.output = URL(fileURLWithPath: "/proc/adapter")
      c.salvageFolder = scratch.file("other")
      try open(c).requireRoom(bytes: few, for: c.output)
    }
  }
}
