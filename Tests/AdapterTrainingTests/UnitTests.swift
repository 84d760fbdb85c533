import Foundation
import Kernels
import LowRankAdaptation
import RunSupport
import TestSupport
import Testing

@testable import AdapterTraining

@Suite("Steps in parts")
struct UnitTests {
  @Test("each sample of a batch goes to one rank, and the loads are even")
  func plan() {
    let costs: [Double] = [20, 50, 10, 40, 30]
    for ranks in 1...7 {
      let plan = StepPlan(batch: [4, 0, 1, 2, 3], costs: costs, worldSize: ranks)
      #expect(plan.samples.count == ranks)
      #expect(plan.samples.joined().sorted() == [0, 1, 2, 3, 4])
      for (sample, rank) in zip(plan.batch, plan.ranks) { #expect(plan.samples[rank].contains(sample)) }
    }
    let loads = StepPlan(batch: [0, 1, 2, 3, 4], costs: costs, worldSize: 2).samples.map {
      $0.reduce(0) { $0 + costs[$1] }
    }
    #expect(loads.max() == 80)
    #expect(StepPlan(batch: [], costs: [], worldSize: 3).samples == [[], [], []])
    #expect(StepPlan(batch: [2, 2], costs: [1, 1], worldSize: 1).samples == [[2, 2]])
  }

  @Test("samples are grouped by their picture, in each set by itself; names are compared byte by byte")
  func groups() {
    let groups = PictureGroups([["b", "a", "b", "\u{e9}", "e\u{301}"], ["a", "b", "a"]])
    #expect(groups.members == [[0, 2], [1], [3], [4], [5, 7], [6]])
    #expect(groups.group == [0, 1, 0, 2, 3, 4, 5, 4])
  }

  @Test("a step's sum gives the mean gradient and refuses values that are not finite")
  func sum() throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    var sum = StepSum(count: 2, passes: 8, ranks: 2)
    let taken = [
      sum.add(gradient: Tensor([3, -1]), on: backend), sum.add(gradient: Tensor([1, 0.5]), on: backend),
      sum.add(loss: 1.25, tokens: 3),
      sum.add(loss: 2.5, tokens: 1),
    ]
    #expect(taken == [true, true, true, true])
    #expect(sum.meanGradient() == [1, -0.125] && sum.loss == 3.75 && sum.tokens == 4)
    let refused = [
      sum.add(gradient: Tensor([.nan, 1]), on: backend), sum.add(gradient: Tensor([1, .infinity]), on: backend),
      sum.add(loss: .nan, tokens: 1),
      sum.add(loss: .infinity, tokens: 1),
    ]
    #expect(refused == [false, false, false, false])
    sum.set(checksum: 7)
    #expect(sum.allRanksHave(checksum: 7, worldSize: 1) && !sum.allRanksHave(checksum: 8, worldSize: 1))
    sum.clear()
    #expect(sum.tokens == 0 && sum.meanGradient() == [0, 0])
  }

  @Test("no sum of a step overflows: what might is refused", arguments: [1, 2, 3, 8, 1000])
  func largeSums(_ passes: Int) throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    var sum = StepSum(count: 2, passes: passes, ranks: passes)
    let most = sum.gradientLimit.nextDown
    for _ in 0..<passes {
      let isTaken = sum.add(gradient: Tensor([most, -most]), on: backend)
      #expect(isTaken)
    }
    let expected = Float(Double(most) * Double(passes))
    #expect(sum.meanGradient() == [expected, -expected])
    // Two gradients of one sign near 2^30 wrapped, and gave a finite one.
    let isTaken = sum.add(gradient: Tensor([Float(0x1p30).nextDown, 0]), on: backend)
    #expect(isTaken == (passes == 1))
    let large = sum.lossLimit * 0.75
    let areTaken = [sum.add(loss: large, tokens: 1), sum.add(loss: large, tokens: 1)]
    #expect(areTaken == [true, false])
    sum.clear()
    let isTakenAgain = sum.add(loss: large, tokens: 1)
    #expect(isTakenAgain)
  }

  @Test(
    "the store gives back what it was given, from memory and from its file, and leaves no file",
    arguments: [0, 3000, 1 << 20])
  func store(_ limit: Int) throws {
    try ScratchFolder.with { scratch throws in
      let store = PrefixStore(memoryLimit: limit, folder: scratch.url) { _ in Issue.record("warned") }
      let values = (0..<5).map { sample in (0..<1200).map { UInt8(truncatingIfNeeded: $0 * sample) } }
      // Two pictures: of the second one a sample comes later.
      for (picture, samples) in [(0, [1, 2]), (3, [4])] {
        let states = PictureStates(shared: values[picture], own: samples.map { values[$0] })
        #expect(try store.keep(states, of: picture, samples) == [])
      }
      #expect(try store.keep(PictureStates(shared: values[3], own: [values[2]]), of: 3, [5]) == [])
      for (picture, samples) in [(0, [1]), (0, [2, 1]), (3, [4])] {
        let states = try #require(try store.states(of: picture, samples))
        #expect(states.shared == values[picture] && states.own == samples.map { values[$0] })
      }
      #expect(try store.states(of: 3, [4, 5])?.own[1] == values[2])
      #expect(try store.states(of: 0, [1, 9]) == nil && store.states(of: 4, [1]) == nil)
      #expect(try scratch.names.isEmpty)
    }
  }

  @Test("a folder that takes no file costs the cache, not the run")
  func fullStore() throws {
    var warnings = 0
    let store = PrefixStore(memoryLimit: 0, folder: URL(fileURLWithPath: "/nowhere")) { _ in
      warnings += 1
    }
    let states = PictureStates(shared: [1, 2], own: [[3], []])
    #expect(try store.keep(states, of: 0, [0, 1]) == [0, 1] && store.isFull)
    #expect(try store.keep(states, of: 1, [2, 3]) == [2, 3])
    #expect(try store.states(of: 0, [0]) == nil && warnings == 1)
  }

  @Test("bf16 prefixes are rounded to nearest, ties to even")
  func bfloat16() throws {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    let bytes = backend.bytes(of: Tensor([1, 1 + 0x1p-8, 1 + 0x3p-8, -0.1, .infinity]), as: .bf16)
    #expect(bytes.count == 10)
    let values = Tensor([Float](repeating: 0, count: 5))
    backend.fill(values, from: bytes[...], as: .bf16)
    #expect(backend.read(values)[..<3] == [1, 1, 1 + 0x1p-6])
  }

  @Test("the best state is the lowest after the first step, the earlier of equals; patience counts from there")
  func best() {
    var history = TrainingHistory()
    #expect(history.best == nil && history.validationsSinceBest == 0)
    for (step, loss) in [(0, 0.5), (2, 1.0), (4, 0.8), (6, 0.8), (8, 0.9)] {
      history.validations.append(ValidationRecord(step: step, loss: loss, tokens: 1))
    }
    #expect(history.best?.step == 4 && history.validationsSinceBest == 2)
  }

  @Test("a file of events has TFRecord's frames, checksums and the fields of an Event")
  func events() {
    // What tensorboard 2.21's RecordWriter makes of the same two events.
    var file = TensorBoardFile(time: 1)
    file.add("train/loss", 0.5, step: 300, time: 2)
    let hex = file.bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    #expect(
      hex
        == "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a2100000000"
        + "000000017becf609000000000000004010ac022a130a110a0a747261696e2f6c6f7373150000003f188b4d93")
  }

  @Test("a checkpoint gives the state back; a broken one is refused")
  func checkpoint() throws {
    try ScratchFolder.with { scratch throws in
      let folder = CheckpointFolder(folder: scratch.file("work"))
      let identity = RunIdentity([("a", "1")])
      var state = TrainingState(
        optimiser: AdamW(weightDecay: 0.5, step: 2, firstMoments: [1, 2], secondMoments: [3, 4]))
      state.step = 2
      state.best = [7, 8]
      state.history.validations = [ValidationRecord(step: 1, loss: 0.1, tokens: 3)]
      #expect(try folder.load(identity: identity) == nil)
      func save(_ state: TrainingState) throws {
        try folder.save(state, parameters: [5, 6], identity: identity) { place, alongside in
          try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false)
          try alongside(place)
        }
      }
      try save(state)
      state.step = 3
      try save(state)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.folder.path) == ["checkpoint-00000003"])
      let loaded = try #require(try folder.load(identity: identity))
      #expect(loaded.parameters == [5, 6] && loaded.state.best == [7, 8] && loaded.state.history == state.history)
      #expect(loaded.state.optimiser.firstMoments == [1, 2] && loaded.state.step == 3)
      let error = #expect(throws: JobError.self) { try folder.load(identity: RunIdentity([("a", "2")])) }
      #expect(error?.description.contains("a was 1 and now is 2") == true)
      struct Full: Error {}
      state.step = 4
      #expect(throws: JobError.self) {
        try folder.save(state, parameters: [5, 6], identity: identity) { _, _ in throw Full() }
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.folder.path) == ["checkpoint-00000003"])
      try Data([1, 2, 3]).write(to: folder.folder.appendingPathComponent("checkpoint-00000003/state.safetensors"))
      #expect(throws: (any Error).self) { try folder.load(identity: identity) }
    }
  }
}
