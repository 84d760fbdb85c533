import COCO
import Foundation
import HeadImpact
import Jobs
import Kernels
import TensorCore
import VisionLanguage

/// What a build of a key-object dataset takes.
public struct DatasetBuildConfiguration: Sendable {
  /// A COCO instances file, or any file with outlines.
  public var instances: URL
  /// A COCO captions file of the same images.
  public var captions: URL?
  public var images: URL
  /// Says which visual tokens an object covers.
  public var model: URL?
  public var output: URL
  public var rules = KeyObjectRules()
  public var isStrict = false
  public var isQuiet = false

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
  private let configuration: DatasetBuildConfiguration
  private var rules: KeyObjectRules { configuration.rules }

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
    /// By the rule that left them out.
    public let leftOut: [Count]
    /// The most frequent first.
    public let categories: [Count]
    public let descriptions: [Count]
  }

  public init(_ configuration: DatasetBuildConfiguration) { self.configuration = configuration }

  /// - Throws: `COCOError`, `KeyObjectError`, `JobError` or what loading the model throws; nothing is written then.
  public func run() throws -> Summary {
    try checkOptions()
    let instances = try KeyObjectDataset(contentsOf: configuration.instances)
    guard instances.annotations.contains(where: { $0.categoryID != nil }), !instances.categories.isEmpty else {
      throw KeyObjectError(
        "\(configuration.instances.path): has no categories of objects; --instances takes a COCO instances file, not captions"
      )
    }
    let known = Set(instances.categories.map(\.name))
    if let unknown = rules.categories.first(where: { !known.contains($0) }) {
      throw KeyObjectError(
        "--categories: \"\(unknown)\" is not in \(configuration.instances.path); its categories are "
          + instances.categories.map(\.name).joined(separator: ", "))
    }
    let selection = try select(instances, captions: readCaptions(of: instances))
    guard !selection.objects.isEmpty else {
      throw KeyObjectError(
        "no object is left by the rules: "
          + Self.counts(selection.leftOut).map { "\($0.objects) \($0.name)" }.joined(separator: ", "))
    }
    return Summary(
      outputs: try write(selection.objects, of: instances), examined: instances.annotations.count,
      leftOut: Self.counts(selection.leftOut), categories: Self.counts(selection.objects.map(\.category)),
      descriptions: Self.counts(selection.objects.map(\.description.source.rawValue)))
  }

  private func checkOptions() throws {
    try rules.validate()
    if rules.choose == .mentioned || rules.describe == .caption, configuration.captions == nil {
      throw KeyObjectError(
        "--choose mentioned and --describe caption, the defaults, need --captions; or take --choose largest --describe category"
      )
    }
    try JobInputs.checkFolder(of: configuration.output)
    try JobInputs.refuseExisting(configuration.outputs.map { ($0.url.path, "a file that this would make") })
  }

  private func readCaptions(of instances: KeyObjectDataset) throws -> KeyObjectDataset? {
    guard let url = configuration.captions else { return nil }
    let captions = try KeyObjectDataset(contentsOf: url)
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
      try ModelRegistry.load(folder: folder, context: ComputeContext(precision: .f32, team: ThreadTeam(count: 1)))
    }
    let files: Set<String>
    do {
      files = Set(try FileManager.default.contentsOfDirectory(atPath: configuration.images.path))
    } catch {
      throw KeyObjectError("\(configuration.images.path): can't be listed: \(error.localizedDescription)")
    }
    var cells: [SIMD2<Int>: [Cell]] = [:]
    var warnings = 0
    let selection = try KeyObjectSelection(instances, captions: captions, rules: rules) { annotation, image in
      do {
        let url = try JobInputs.imageURL(image.fileName, in: configuration.images)
        guard files.contains(image.fileName) || FileManager.default.fileExists(atPath: url.path) else {
          throw KeyObjectError("\(url.path) is missing (image \(image.id))")
        }
        guard let model else {
          try instances.checkOutline(of: annotation)
          return .usable
        }
        let size = SIMD2(image.width, image.height)
        let visible = try cells[size] ?? model.visualLayout(width: size.x, height: size.y).cells
        cells[size] = visible
        let mask = try TokenMask(of: try instances.mask(for: annotation), cells: visible)
        return mask.count < rules.minTokens ? .tooFewTokens : .usable
      } catch {
        if configuration.isStrict {
          throw KeyObjectError("annotation \(annotation.id) can't be used (--strict): \(error)")
        }
        warnings += 1
        if warnings <= Self.shownWarnings { progress.warn("annotation \(annotation.id) is left out: \(error)") }
        return .unusable
      }
    }
    if warnings > Self.shownWarnings { progress.warn("… and \(warnings - Self.shownWarnings) more are left out") }
    return selection
  }

  private static let shownWarnings = 10

  // MARK: - Writing

  private func write(
    _ objects: [KeyObjectSelection.KeyObject], of instances: KeyObjectDataset
  ) throws -> [Summary.Output] {
    let info = try rulesJSON()
    var finished: [(aside: URL, final: URL)] = []
    var outputs: [Summary.Output] = []
    do {
      for (part, url) in configuration.outputs {
        let own = objects.filter { part == nil || rules.split?.part(of: $0.image.id, seed: rules.seed) == part }
        let aside = url.appendingPathExtension("partial")
        finished.append((aside, url))
        try instances.json(of: own.map(\.described), info: info).write(to: aside)
        outputs.append(
          Summary.Output(path: url.path, images: Set(own.map(\.image.id)).count, objects: own.count))
      }
      for (aside, url) in finished { try FileManager.default.moveItem(at: aside, to: url) }
    } catch {
      for (aside, _) in finished where FileManager.default.fileExists(atPath: aside.path) {
        try FileManager.default.removeItem(at: aside)
      }
      if error is COCOError { throw error }
      throw KeyObjectError("\(configuration.output.path): can't be written: \(error.localizedDescription)")
    }
    return outputs
  }

  private struct Info: Encodable {
    struct Split: Encodable {
      let train: Double
      let validation: Double
      let test: Double
    }

    struct Rules: Encodable {
      let minArea: Double
      let maxArea: Double
      let minTokens: Int?
      let perImage: Int
      let choose: String
      let categories: [String]
      let balance: Int?
      let describe: String
      let split: Split?
      let seed: UInt64
    }

    let description: String
    let keyObjectRules: Rules
    let instances: String
    let captions: String?
    let model: String?
    let programVersion: String
  }

  private func rulesJSON() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let info = Info(
      description: "Key objects of \(configuration.instances.lastPathComponent)",
      keyObjectRules: Info.Rules(
        minArea: rules.minArea, maxArea: rules.maxArea, minTokens: configuration.model == nil ? nil : rules.minTokens,
        perImage: rules.perImage, choose: rules.choose.rawValue, categories: rules.categories, balance: rules.balance,
        describe: rules.describe.rawValue,
        split: rules.split.map { Info.Split(train: $0.shares[0], validation: $0.shares[1], test: $0.shares[2]) },
        seed: rules.seed),
      instances: configuration.instances.lastPathComponent, captions: configuration.captions?.lastPathComponent,
      model: configuration.model?.lastPathComponent, programVersion: JobDefaults.programVersion)
    return String(decoding: try encoder.encode(info), as: UTF8.self)
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

extension KeyObjectSelection.KeyObject {
  /// As it is written: with the description's source, and the caption it is from.
  var described: KeyObjectDataset.DescribedAnnotation {
    var remarks = [(key: "description_source", json: "\"\(description.source.rawValue)\"")]
    if let id = description.captionID { remarks.append((key: "caption_id", json: "\(id)")) }
    return KeyObjectDataset.DescribedAnnotation(annotation, description: description.text, remarks: remarks)
  }
}
