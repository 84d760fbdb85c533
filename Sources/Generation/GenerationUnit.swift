import COCO
import Decoding
import Foundation
import IO
import ImageInput
import Jobs
import RunSupport
import VisionLanguage

/// One unit of work: an image with everything that is asked about it.
struct GenerationUnit: Sendable, WorkUnit {
  let imageID: Int64
  /// Ascending by id.
  let examples: [ImageTextExample]
  /// The annotations of the examples, where each object is asked about by itself; nil where the image is.
  private(set) var objects: ImageObjects?

  var key: Int { Int(imageID) }
  var sampleCount: Int { examples.count }
  var fileNames: Set<String> { Set(examples.map(\.fileName)) }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.list(examples) { $1.encode(into: &$0) }
    writer.optional(objects) { $1.encode(into: &$0) }
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    let examples = try reader.list { try ImageTextExample(&$0) }
    objects = try reader.optional { try ImageObjects(&$0) }
    try reader.finish()
    guard let first = examples.first else { throw JobError("a rank's message has an image without examples") }
    (imageID, self.examples) = (first.imageID, examples)
  }

  private init(_ examples: [ImageTextExample], of imageID: Int64) {
    (self.imageID, self.examples) = (imageID, examples)
  }

  /// The units of a dataset in the order of their first examples. Of captions an image has one example, its first.
  ///
  /// - Parameter objects: the outlines of the examples, where each object is asked about by itself.
  static func units(of dataset: ImageTextDataset, objects: KeyObjectDataset? = nil, limit: Int?) -> [GenerationUnit] {
    var examples = dataset.examples
    if dataset.kind == .captions {
      var seen: Set<Int64> = []
      examples = examples.filter { seen.insert($0.imageID).inserted }
    }
    examples = Array(examples.prefix(limit ?? .max))
    let groups = Dictionary(grouping: examples, by: \.imageID)
    let annotations = Dictionary(grouping: objects?.annotations ?? [], by: \.imageID)
    var seen: Set<Int64> = []
    return examples.compactMap { example in
      guard seen.insert(example.imageID).inserted else { return nil }
      var unit = GenerationUnit(groups[example.imageID] ?? [], of: example.imageID)
      if let objects, let image = objects.image(example.imageID) {
        let ids = Set(unit.examples.map(\.id))
        unit.objects = ImageObjects(
          image, (annotations[image.id] ?? []).filter { ids.contains($0.id) }, of: objects)
      }
      return unit
    }
  }
}

extension GenerationUnit {
  /// Multiplications of the unit, about.
  func cost(maxNewTokens: Int, _ costs: inout UnitCosts) -> Double {
    costs.multiplications(
      of: examples[0].size, textRows: examples.count * (maxNewTokens + costs.templateTokens))
  }

  /// Everything that is asked about the image, in a form that the model takes.
  struct Questions {
    /// A picture each, with what is asked about it.
    fileprivate(set) var asked: [(image: PreparedImage, questions: [TextGenerator.Question])] = []
    /// What can't be asked.
    fileprivate(set) var skipped: [SkippedSample] = []

    fileprivate mutating func skip(_ id: Int64, _ kind: SkipKind, _ fault: any ContentFault) {
      skipped.append(SkippedSample(id: id, reason: SkipReason(kind, fault)))
    }
  }

  /// Reads the image and the texts.
  ///
  /// - Parameter view: what is made of the image for one example; nil if all are asked about the image itself.
  /// - Throws: errors of the environment.
  func questions(
    for generator: TextGenerator, pictures: Pictures, prompt: String,
    view: ((ImageTextExample, ImageObjects?, RGBImage) throws -> RGBImage)? = nil
  ) throws -> Questions {
    var result = Questions()
    let first = examples[0]
    do {
      let prepared = try pictures.image(first.fileName, size: first.size.map { ($0.width, $0.height) })
      let image = prepared.image
      var whole: VisualLayout?
      if view == nil {
        whole = try generator.layout(of: image)
        result.asked = [(prepared, [])]
      }
      for example in examples {
        do {
          let shown = try view?(example, objects, image) ?? image
          let layout = try whole ?? generator.layout(of: shown)
          let question = try ask(example, by: generator, prompt: prompt, layout: layout)
          if view == nil {
            result.asked[0].questions.append(question)
          } else {
            result.asked.append((shown.prepared, [question]))
          }
        } catch let fault as TextFault {
          result.skip(example.id, .text, fault.fault)
        } catch let fault as any ContentFault { result.skip(example.id, .mask, fault) }
      }
    } catch let fault as any ContentFault {
      for example in examples { result.skip(example.id, .picture, fault) }
    }
    return result
  }

  /// A fault of the question's text.
  private struct TextFault: Error { let fault: any ContentFault }

  private func ask(
    _ example: ImageTextExample, by generator: TextGenerator, prompt: String, layout: VisualLayout
  ) throws -> TextGenerator.Question {
    do {
      return try generator.question(example.prompt ?? prompt, id: example.id, layout: layout)
    } catch let fault as any ContentFault { throw TextFault(fault: fault) }
  }
}

/// The texts about one image.
typealias GenerationResult = UnitOutcomes<String>

extension UnitOutcomes<String> {
  /// - Throws: `JobError` if the bytes aren't a result.
  init(decoding bytes: [UInt8]) throws { try self.init(decoding: bytes, called: "generated texts") }
}
