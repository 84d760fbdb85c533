import ImageInput
import Jobs
import Kernels
import MessagePassing
import RunSupport
import VisionLanguage

/// What enters the lowest adapted layer, of every sample of a run: kept, got from another rank, or computed with that of the
/// picture's other samples.
///
/// Samples are counted through training and validation: those for validation come behind the others.
final class SamplePrefixes {
  private let world: Communicator
  private let model: any VisionLanguageModel
  private let gradients: SampleGradients
  private let samples: [TrainingSample]
  private let trainingCount: Int
  private let pictures: (training: Pictures, validation: Pictures)
  private let groups: PictureGroups
  private let caches: Bool
  private let elementType: ElementType
  private let store: PrefixStore
  private let shared: SharedPrefixes?
  /// Whether the run trains on a sample at all; nil if it does on all.
  private let occurs: Set<Int>?
  private var exchange = PrefixExchange()
  /// How many rows the samples of a group begin with, where it is known.
  private var sharedRows: [Int: Int] = [:]

  // Of the step or validation that runs.
  /// What this rank computes or sends.
  private var needed: Set<Int> = []
  private var received: [Int: FrozenStates] = [:]
  /// What was computed with others, is needed, and can't be kept.
  private var held: [Int: FrozenStates] = [:]
  /// The first samples of the pictures that this rank will compute, in their order.
  private var coming: ArraySlice<Int> = []

  /// - Parameters:
  ///   - occurring: the samples that the run trains on, where these are not all.
  ///   - reserve: what files leave free on their disk, in bytes.
  init(
    _ configuration: TrainConfiguration, on world: Communicator, model: any VisionLanguageModel,
    gradients: SampleGradients, data: TrainingJob.TrainingData, occurring: Set<Int>?, shared: SharedPrefixes?,
    reserve: Int
  ) {
    self.world = world
    self.model = model
    self.gradients = gradients
    samples = data.samples + data.validation
    trainingCount = data.samples.count
    pictures = (
      data.pictures.training.readAhead(model.processor), data.pictures.validation.readAhead(model.processor)
    )
    groups = PictureGroups([data.samples, data.validation].map { $0.map(\.example.fileName) })
    caches = configuration.caches
    elementType = configuration.precision.elementType
    store = PrefixStore(
      memoryLimit: configuration.cacheMemory,
      folder: configuration.cacheFolder ?? configuration.output.deletingLastPathComponent())
    occurs = occurring
    self.shared = shared.flatMap { $0.layer <= gradients.lowestLayer ? $0 : nil }
    store.reserve = reserve
    shared?.store.reserve = reserve
  }

  private var host: String? { world.worldSize > 1 ? world.processorName : nil }

  // MARK: - Who computes what

  /// Who computes which sample of a step. A picture that is new costs its tower and its frozen layers.
  func plan(_ batch: [Int]) -> StepPlan {
    var new: Set<Int> = []
    let costs = batch.map { sample in
      let group = groups.group[sample]
      let isComputed = !caches || keepers.keeper(of: group) == nil && new.insert(group).inserted
      return upperCost(of: sample, passes: 2)
        + (isComputed ? frozenCost(of: caches ? groups.members[group] : [sample]) : 0)
    }
    return StepPlan(batch: batch, costs: costs, worldSize: world.worldSize)
  }

  /// The validation samples of this rank: all of a picture, where it is one of its.
  func validationSamples() -> [Int] {
    let own = groups.members.indices.filter { groups.members[$0][0] >= trainingCount }
    let costs = own.map { group in
      groups.members[group].reduce(frozenCost(of: groups.members[group])) { $0 + upperCost(of: $1, passes: 1) }
    }
    return StepPlan(batch: own, costs: costs, worldSize: world.worldSize).samples[world.rank].flatMap {
      groups.members[$0]
    }
  }

  private func upperCost(of sample: Int, passes: Double) -> Double {
    passes
      * model.dimensions.multiplications(
        ofLayers: model.decoder.layers.count - gradients.lowestLayer, rows: samples[sample].rows)
  }

  /// Of samples of one picture.
  private func frozenCost(of members: [Int]) -> Double {
    let first = samples[members[0]]
    // What the picture's samples share, about.
    let start = min(first.sequence.answerStart, first.rows)
    let rows = members.reduce(start) { $0 + max(0, samples[$1].rows - start) }
    return model.dimensions.multiplications(ofTower: first.load)
      + model.dimensions.multiplications(ofLayers: gradients.lowestLayer, rows: rows)
  }

  /// Where runs share what they computed, later ones find it on the rank that has it.
  private var keepers: PrefixExchange {
    get { shared?.exchange ?? exchange }
    set { if let shared { shared.exchange = newValue } else { exchange = newValue } }
  }

  /// Begins a step: brings what other ranks keep. Every rank calls it.
  ///
  /// - Parameter next: the batch of the step behind it, whose pictures are read in advance.
  /// - Throws: after the last message, what computing threw, or `PrefixExchange.KeeperFailed`; `MPIError` at once.
  func begin(_ plan: StepPlan, before next: [Int]) throws {
    begin(needing: plan.samples[world.rank])
    if caches { keepers.begin(plan) { groups.group[$0] } }
    coming = ArraySlice(pictures(of: plan) + pictures(of: self.plan(next)))
    prepare()
    guard caches else { return }
    needed.formUnion(zip(plan.batch, plan.ranks).filter { $1 != world.rank }.map(\.0))
    let bytes = try keepers.run(
      plan, on: world, picture: { groups.group[$0] },
      compute: { sample in _ = try states(of: sample, isUsed: false) },
      prefix: {
        let states = try states(of: $0)
        return states.shared + states.own
      })
    for (sample, bytes) in bytes { received[sample] = try split(bytes, of: sample) }
  }

  /// Begins a validation, in which no rank sends anything.
  func beginValidation(of samples: [Int]) {
    begin(needing: samples)
    coming = firstOfEach(samples.filter { !caches || !keeps(groups.group[$0]) })
    prepare()
  }

  private func begin(needing samples: [Int]) {
    needed = Set(samples)
    received = [:]
    held = [:]
  }

  /// The samples that this rank computes first of each picture in a step: those for other ranks come before the others.
  private func pictures(of plan: StepPlan) -> [Int] {
    guard caches else { return Array(firstOfEach(plan.samples[world.rank])) }
    var ranks: [Int: Int] = [:]
    let computed = zip(plan.batch, plan.ranks).filter { sample, rank in
      let group = groups.group[sample]
      let keeper = keepers.keeper(of: group) ?? ranks[group] ?? rank
      ranks[group] = keeper
      return keeper == world.rank && !keeps(group)
    }
    return Array(
      firstOfEach(computed.filter { $1 != world.rank }.map(\.0) + computed.filter { $1 == world.rank }.map(\.0)))
  }

  private func keeps(_ group: Int) -> Bool { store.keeps(group) || shared?.store.keeps(group) ?? false }

  private func firstOfEach(_ samples: [Int]) -> ArraySlice<Int> {
    var groups: Set<Int> = []
    return samples.filter { groups.insert(self.groups.group[$0]).inserted }[...]
  }

  /// Lets the next picture be read while the model computes.
  private func prepare() {
    guard let sample = coming.first else { return }
    pictures(of: sample).prepare(samples[sample].example.fileName)
  }

  private func pictures(of sample: Int) -> Pictures { sample < trainingCount ? pictures.training : pictures.validation }

  /// - Throws: `JobError` if another rank sent something else.
  private func split(_ bytes: [UInt8], of sample: Int) throws -> FrozenStates {
    let (shared, own) = byteCounts(of: sample)
    guard bytes.count == shared + own else {
      throw JobError(
        "the frozen states of sample \(samples[sample].example.id) came as \(bytes.count) bytes, not \(shared + own). Do "
          + "all ranks run the same program on the same model?")
    }
    return FrozenStates(shared: Array(bytes[..<shared]), own: Array(bytes[shared...]))
  }

  private func byteCounts(of sample: Int) -> (shared: Int, own: Int) {
    let rows = rows(of: groups.group[sample])
    let layer = gradients.lowestLayer
    return (
      gradients.frozen.sharedByteCount(of: samples[sample], sharing: rows, entering: layer, as: elementType),
      gradients.frozen.ownByteCount(of: samples[sample], sharing: rows, entering: layer, as: elementType)
    )
  }

  /// How many rows all samples of a group begin with.
  private func rows(of group: Int) -> Int {
    if let rows = sharedRows[group] { return rows }
    let rows = gradients.frozen.sharedRows(of: groups.members[group].map { samples[$0] })
    sharedRows[group] = rows
    return rows
  }

  // MARK: - What a pass is given

  subscript(sample: Int) -> TrainingSample { samples[sample] }

  /// What enters the lowest adapted layer, of a sample.
  ///
  /// - Parameter isUsed: whether it isn't needed again in this step.
  /// - Throws: errors of the picture, the store and the model.
  func states(of sample: Int, isUsed: Bool = true) throws -> FrozenStates {
    if let states = received[sample] { return states }
    if let states = held[sample] {
      if isUsed { held[sample] = nil }
      return states
    }
    let group = groups.group[sample]
    if caches, let states = try store.states(of: group, [sample]) { return states[0] }
    let keeps = caches && !store.isFull
    // All that the run will need, while that can be kept; else what this step needs.
    let wanted = groups.members[group].filter {
      $0 == sample || (keeps ? isOfRun($0) : needed.contains($0))
    }
    let states = try computed(wanted, of: group)
    let left = keeps ? Set(try store.keep(states, of: group, wanted)) : Set(wanted)
    for (place, other) in wanted.enumerated() where left.contains(other) && needed.contains(other) {
      if other != sample || !isUsed { held[other] = states[place] }
    }
    return states[wanted.firstIndex(of: sample) ?? 0]
  }

  private func isOfRun(_ sample: Int) -> Bool { sample >= trainingCount || occurs?.contains(sample) ?? true }

  /// From what several runs share, where they do, else from the picture.
  private func computed(_ wanted: [Int], of group: Int) throws -> PictureStates {
    let (frozen, lowest, rows) = (gradients.frozen, gradients.lowestLayer, rows(of: group))
    let all = wanted.map { samples[$0] }
    guard let shared else {
      return try frozen.states(
        of: all, sharing: rows, image: picture(of: wanted[0]), entering: lowest, as: elementType)
    }
    let below: PictureStates
    if let states = try shared.store.states(of: group, wanted) {
      below = states
    } else {
      below = try frozen.states(
        of: all, sharing: rows, image: picture(of: wanted[0]), entering: shared.layer,
        as: SharedPrefixes.elementType)
      _ = try shared.store.keep(below, of: group, wanted)
    }
    return try frozen.states(
      of: all, sharing: rows, from: below, entering: shared.layer, to: lowest, as: elementType)
  }

  private func picture(of sample: Int) throws -> PreparedImage {
    let example = samples[sample].example
    // Its header could be read when the run began: nothing is skipped any more.
    let image = try Pictures.onHost(host, skips: false) {
      try pictures(of: sample).image(example.fileName, size: example.size.map { ($0.width, $0.height) })
    }
    if let next = coming.first, groups.group[next] == groups.group[sample] { coming.removeFirst() }
    prepare()
    return image
  }
}
