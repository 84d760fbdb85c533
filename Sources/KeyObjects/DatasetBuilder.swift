import COCO
import Foundation
import HeadImpact
import IO
import Kernels
import RunSupport
import VisionLanguage

/// What a build of a key-object dataset takes.
public struct DatasetBuildConfiguration: Sendable {
  /// A COCO instances file, or any file with outlines.
  public var instances: URL
  /// A COCO captions file of the same images.
  public var captions: URL?
  public var images: URL
  /// Determines which visual tokens an object covers, and describes it if the rules ask for it.
  public var model: URL?
  /// How the model is shown images and texts.
  public var input = InputOptions()
  /// Of a model that describes.
  public var describing: Describing?
  /// Continues an interrupted describing job.
  public var resumes = false
  /// Whether key-object datasets take the place of earlier ones.
  public var overwrites = false
  public var output: URL
  public var rules = KeyObjectRules()
  public var isStrict = false
  public var isQuiet = false

  /// What a model that describes is shown and asked, as a person gives it: part of the build's identity.
  public struct Describing: Sendable {
    public var objects: String
    public var prompt: String
    public var precision: String

    public init(objects: String, prompt: String, precision: String) {
      (self.objects, self.prompt, self.precision) = (objects, prompt, precision)
    }
  }

  public init(instances: URL, images: URL, output: URL) {
    self.instances = instances
    self.images = images
    self.output = output
  }

  /// The files that the build makes.
  var outputs: [(part: DatasetSplit.Part?, url: URL)] {
    guard rules.split != nil else { return [(nil, output)] }
    return DatasetSplit.Part.allCases.map { ($0, DatasetSplit.url(of: $0, output)) }
  }
}

/// Makes a key-object dataset of COCO's published files.
public struct DatasetBuilder {
  let configuration: DatasetBuildConfiguration
  var rules: KeyObjectRules { configuration.rules }

  /// What was made.
  public struct Summary: Sendable, Encodable {
    public struct Output: Sendable, Encodable {
      public let path: String
      public let images: Int
      public let objects: Int
    }

    public struct Count: Sendable, Encodable {
      public let name: String
      public let objects: Int
    }

    public let outputs: [Output]
    public let examined: Int
    /// Images with objects but without a caption; nil if no captions were given.
    public let imagesWithoutCaption: Int?
    /// By the rule that left them out.
    public let leftOut: [Count]
    /// The most frequent first.
    public let categories: [Count]
    public let descriptions: [Count]
    /// Objects that a model could not describe; nil if none was asked to.
    public let skips: SkipCounts?
    /// False if the outputs were there already, finished by the run to resume.
    public let isNew: Bool
  }

  public init(_ configuration: DatasetBuildConfiguration) { self.configuration = configuration }

  /// Runs a build that needs no model's descriptions.
  ///
  /// - Throws: as `begin()` and `finish(_:describedBy:lock:)`.
  public func run() throws -> Summary {
    precondition(rules.describe != .model, "a model's descriptions go to finish(_:describedBy:)")
    let lock = try lock()
    defer { lock.release() }
    switch try begin() {
    case .finished(let summary): return summary
    case .chosen(let choice): return try finish(choice, lock: lock)
    }
  }

  /// Locks the output, which the caller releases, and takes away what killed builds left.
  ///
  /// - Parameter wait: called about once a second while it waits.
  /// - Throws: `JobError` if the output's folder can't be written to, or another build is writing to it; what `wait`
  ///   throws.
  public func lock(wait: () throws -> Void = {}) throws -> RunLock {
    let output = configuration.output
    try JobInputs.checkFolder(of: output)
    let lock = try RunLock(for: output, resumes: configuration.resumes, wait: wait)
    lock.removeLeftovers(
      of: Set(
        configuration.outputs.map(\.url.lastPathComponent) + [draft.lastPathComponent, lock.url.lastPathComponent]),
      in: output.deletingLastPathComponent())
    return lock
  }

  /// What a build begins with.
  public enum Beginning: Sendable {
    /// The outputs are there already, finished by the run to resume.
    case finished(Summary)
    case chosen(Choice)
  }

  /// The objects that were chosen, and what from.
  public struct Choice: Sendable {
    let instances: KeyObjectDataset
    let selection: KeyObjectSelection
    let run: RunIdentity

    /// Annotations of the instances file, those that can't be read included.
    var examined: Int { instances.annotations.count + instances.problems.lostSamples }
  }

  /// What a model said of the objects in a draft.
  public struct Descriptions: Sendable {
    /// By annotation id.
    public let texts: [Int64: String]
    /// Objects that it could not describe.
    public let skips: SkipCounts

    public init(texts: [Int64: String], skips: SkipCounts) {
      self.texts = texts
      self.skips = skips
    }
  }

  /// Checks the options and chooses the objects.
  ///
  /// - Throws: `COCOError`, `KeyObjectError`, `JobError` or what loading the model throws.
  public func begin() throws -> Beginning {
    try checkOptions()
    let run = try identity()
    if let summary = try finished(run) { return .finished(summary) }
    return .chosen(try choose(run))
  }

  private func choose(_ run: RunIdentity) throws -> Choice {
    let instances = try KeyObjectDataset(renumbering: configuration.instances)
    guard !instances.annotations.isEmpty || instances.problems.isEmpty else {
      throw KeyObjectError(
        "\(configuration.instances.path): has no usable annotation"
          + instances.problems.warnings().map { "\n  " + $0 }.joined())
    }
    guard instances.annotations.contains(where: { $0.categoryID != nil }), !instances.categories.isEmpty else {
      throw KeyObjectError(
        "\(configuration.instances.path): has no categories of objects; --instances takes a COCO instances file, not captions"
      )
    }
    try checkCategories(instances)
    let selection = try select(instances, captions: readCaptions(of: instances))
    guard !selection.objects.isEmpty else {
      throw KeyObjectError(
        "the rules leave no object: "
          + Self.counts(selection.leftOut).map { "\($0.objects) \($0.name)" }.joined(separator: ", "))
    }
    return Choice(instances: instances, selection: selection, run: run)
  }

  /// Writes the outputs.
  ///
  /// - Parameters:
  ///   - descriptions: of a model, where the rules ask one; objects that it doesn't describe keep those they have.
  ///   - lock: of the output.
  /// - Throws: `LockLost`, `KeyObjectError` or `EnvironmentFault`; nothing is written then.
  public func finish(_ choice: Choice, describedBy descriptions: Descriptions? = nil, lock: RunLock?) throws -> Summary
  {
    try lock?.check()
    let objects = choice.selection.objects.map { object in
      var object = object
      if let text = descriptions?.texts[object.annotation.id], !text.isEmpty {
        object.description = ObjectDescription(text: text, source: .model)
      }
      return object
    }
    let summary = Summary(
      outputs: try write(objects, of: choice),
      examined: choice.examined, imagesWithoutCaption: choice.selection.imagesWithoutCaption,
      leftOut: Self.counts(choice.selection.leftOut), categories: Self.counts(objects.map(\.category)),
      descriptions: Self.counts(objects.map(\.description.source.rawValue)), skips: descriptions?.skips, isNew: true)
    try removeWork()
    return summary
  }

  // MARK: - A model's descriptions

  /// The objects as chosen, for a model to describe.
  public var draft: URL { configuration.output.appendingPathExtension("draft") }
  /// Its descriptions, as a results file of `generate --objects`. Both are removed when the output is complete.
  public var described: URL { configuration.output.appendingPathExtension("described") }

  /// - Throws: `EnvironmentFault` if the draft can't be written.
  public func writeDraft(_ choice: Choice) throws {
    try AtomicFile.write(
      choice.instances.json(of: choice.selection.objects.map(\.described), info: infoJSON(choice)), to: draft)
  }

  /// Removes the files of the unfinished run.
  func removeWork() throws {
    for file in [draft, described, RunFile.url(of: described)]
    where FileManager.default.fileExists(atPath: file.path) {
      try FileSystem.remove(file)
    }
  }

  // MARK: - Choosing

  private func checkOptions() throws {
    try rules.validate(hasCaptions: configuration.captions != nil, hasModel: configuration.model != nil)
    try JobInputs.checkFolder(of: configuration.output)
    if configuration.resumes { return }
    for url in configuration.outputs.map(\.url) where FileManager.default.fileExists(atPath: url.path) {
      guard configuration.overwrites else {
        throw KeyObjectError(
          "\(url.path): already exists; choose another --output, let it be replaced by --overwrite, or continue it with "
            + "--resume")
      }
      try checkReplaceable(url)
    }
    if configuration.overwrites { try removeWork() }
  }

  /// - Throws: `KeyObjectError` if a name of `--categories` or `--exclude` is no category of the file.
  private func checkCategories(_ instances: KeyObjectDataset) throws {
    let names = instances.categories.map(\.name)
    let known = Set(names)
    for (option, asked) in [("--categories", rules.categories), ("--exclude", rules.excluded)] {
      guard let unknown = asked.first(where: { !known.contains($0) }) else { continue }
      let near = NearNames.of(unknown, in: names)
      let hint =
        near.isEmpty ? "its categories are \(names.joined(separator: ", "))" : "near: \(near.joined(separator: ", "))"
      throw KeyObjectError("\(option): \"\(unknown)\" is not in \(configuration.instances.path); \(hint)")
    }
  }

  private func readCaptions(of instances: KeyObjectDataset) throws -> KeyObjectDataset? {
    guard let url = configuration.captions else { return nil }
    let captions = try KeyObjectDataset(textsOf: url)
    guard captions.annotations.contains(where: { $0.caption != nil }) else {
      throw KeyObjectError("\(url.path): has no captions; --captions takes a COCO captions file")
    }
    guard captions.annotations.contains(where: { instances.image($0.imageID) != nil }) else {
      throw KeyObjectError("\(url.path): has no caption of any image of \(configuration.instances.path)")
    }
    return captions
  }

  private func select(_ instances: KeyObjectDataset, captions: KeyObjectDataset?) throws -> KeyObjectSelection {
    let progress = ProgressReporter(total: 0, begun: 0, ranks: 1, isQuiet: configuration.isQuiet)
    let model = try configuration.model.map { folder in
      try ModelRegistry.load(
        folder: folder, input: configuration.input,
        backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
    }
    let missing = Set(try Pictures.absent(Set(instances.images.map(\.fileName)), in: configuration.images))
    var examiner = ObjectExaminer(
      instances: instances, images: configuration.images, missing: missing, model: model, minTokens: rules.minTokens)
    var selection = try KeyObjectSelection(instances, captions: captions, rules: rules, examiner: &examiner)
    selection.mark(oddOutlines: examiner.oddOutlines)
    let parts = examiner.lostParts
    let faults = examiner.faults + (captions.map(Self.faults) ?? [])
    if configuration.isStrict { try refuse(instances, captions, parts, faults) }
    let remarks = instances.problems.remarks("annotations have an id that is already in use") {
      $0.kind == .annotation && $0.cost == .nothing
    }
    for warning in remarks + instances.problems.warnings() + (captions?.problems.warnings() ?? []) {
      progress.warn(warning)
    }
    for fault in faults.prefix(RecordProblems.mostNamed) { progress.warn("left out: \(fault)") }
    if faults.count > RecordProblems.mostNamed {
      progress.warn("… and \(faults.count - RecordProblems.mostNamed) more are left out")
    }
    if let lost = parts.lostParts(of: selection.objects.count) { progress.warn(lost) }
    return selection
  }

  /// The captions that can't be read.
  private static func faults(in captions: KeyObjectDataset) -> [String] {
    captions.annotations.compactMap { annotation in
      captions.fault(of: annotation, .caption).map { "caption \(annotation.id): \($0)" }
    }
  }

  /// - Throws: `KeyObjectError` that names everything that is left out; nothing if there is nothing.
  private func refuse(
    _ instances: KeyObjectDataset, _ captions: KeyObjectDataset?, _ parts: RecordProblems, _ faults: [String]
  ) throws {
    let files =
      [(configuration.instances, instances.problems), (configuration.instances, parts)]
      + [(configuration.captions ?? configuration.instances, captions?.problems ?? RecordProblems())]
    var lines = files.compactMap { url, problems in problems.refusal.map { "\(url.path): \($0)" } }
    if !faults.isEmpty {
      lines.append("\(faults.count) can't be used (--strict):" + faults.map { "\n  \($0)" }.joined())
    }
    if !lines.isEmpty { throw KeyObjectError(lines.joined(separator: "\n")) }
  }

  // MARK: - Counting

  private static func counts(_ leftOut: [KeyObjectSelection.Rule: Int]) -> [Summary.Count] {
    KeyObjectSelection.Rule.allCases.compactMap { rule in
      leftOut[rule].map { Summary.Count(name: rule.rawValue, objects: $0) }
    }
  }

  private static func counts(_ names: [String]) -> [Summary.Count] {
    Dictionary(names.map { ($0, 1) }, uniquingKeysWith: +).map { Summary.Count(name: $0.key, objects: $0.value) }
      .sorted { (-$0.objects, $0.name) < (-$1.objects, $1.name) }
  }
}
