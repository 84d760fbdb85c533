import COCO
import Foundation
import Jobs

extension DatasetBuilder {
  /// Writes all parts aside, then gives each its name.
  func write(
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

  /// What becomes `info` of the output.
  func rulesJSON() throws -> String {
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
}

extension KeyObjectSelection.KeyObject {
  /// As it is written: with the description's source, and the caption it is from.
  var described: KeyObjectDataset.DescribedAnnotation {
    var remarks = [(key: "description_source", json: "\"\(description.source.rawValue)\"")]
    if let id = description.captionID { remarks.append((key: "caption_id", json: "\(id)")) }
    return KeyObjectDataset.DescribedAnnotation(
      annotation, description: description.text, remarks: remarks, hasPlainOutline: hasPlainOutline)
  }
}
