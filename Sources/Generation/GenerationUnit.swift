import COCO
import IO
import Foundation
import ImageInput
import Jobs
import VisionLanguage

/// One unit of work: an image with everything that is asked about it.
struct GenerationUnit: Sendable {
  let imageID: Int64
  /// Ascending by id.
  let examples: [ImageTextExample]

  /// The units of a dataset in the order of their first examples. Of captions an image has one example, its first.
  static func units(of dataset: ImageTextDataset, limit: Int?) -> [GenerationUnit] {
    var examples = dataset.examples
    if dataset.kind == .captions {
      var seen: Set<Int64> = []
      examples = examples.filter { seen.insert($0.imageID).inserted }
    }
    examples = Array(examples.prefix(limit ?? .max))
    let groups = Dictionary(grouping: examples, by: \.imageID)
    var seen: Set<Int64> = []
    return examples.compactMap { example in
      guard seen.insert(example.imageID).inserted else { return nil }
      return GenerationUnit(imageID: example.imageID, examples: groups[example.imageID] ?? [])
    }
  }
}

extension GenerationUnit {
  /// The units, the costliest first: the last to finish is then a short one.
  static func order(
    of units: [GenerationUnit], maxNewTokens: Int, dimensions: ModelDimensions,
    layout: (_ width: Int, _ height: Int) throws -> VisualLayout
  ) -> [Int] {
    let costs = units.map { unit in
      // A size that the family can't take is reported when its turn comes; one that isn't known counts as nothing.
      let load = unit.examples[0].size.flatMap { try? layout($0.width, $0.height) }?.load
      return dimensions.multiplications(
        load, textRows: unit.examples.count * (maxNewTokens + dimensions.templateTokens))
    }
    return units.indices.sorted { (costs[$0], $1) > (costs[$1], $0) }
  }

  /// The answers to everything that is asked. An image or a question that can't be used is a result too.
  ///
  /// - Parameter view: what is made of the image for one example; nil where all are asked about the image itself.
  /// - Throws: what is no sample's own fault: what the machine refuses, a failed library call, what `poll` throws.
  func answered(
    by generator: TextGenerator, pictures: Pictures, prompt: String,
    view: ((ImageTextExample, RGBImage) throws -> RGBImage)? = nil, poll: @escaping () throws -> Void
  ) throws -> GenerationResult {
    var outcomes: [Int64: GenerationResult.Outcome] = [:]
    func skip(_ id: Int64, _ kind: SkipKind, _ fault: any ContentFault) {
      outcomes[id] = GenerationResult.Outcome(id: id, text: nil, skip: SkipReason(kind, fault))
    }
    var asked: [(image: RGBImage, questions: [TextGenerator.Question])] = []
    let first = examples[0]
    do {
      let image = try pictures.reading(first.fileName) {
        try JobInputs.image(first.fileName, in: pictures.folder, size: first.size.map { ($0.width, $0.height) })
      }
      var whole: VisualLayout?
      if view == nil {
        whole = try generator.layout(of: image)
        asked = [(image, [])]
      }
      for example in examples {
        do {
          let shown = try view?(example, image) ?? image
          let layout = try whole ?? generator.layout(of: shown)
          let question = try ask(example, by: generator, prompt: prompt, layout: layout)
          if view == nil { asked[0].questions.append(question) } else { asked.append((shown, [question])) }
        } catch let fault as TextFault {
          skip(example.id, .text, fault.fault)
        } catch let fault as any ContentFault { skip(example.id, .mask, fault) }
      }
    } catch let fault as any ContentFault {
      for example in examples { skip(example.id, .picture, fault) }
    }
    for (image, questions) in asked {
      for (id, answer) in try answers(to: questions, about: image, by: generator, poll: poll) {
        switch answer {
        case .success(let text): outcomes[id] = GenerationResult.Outcome(id: id, text: text, skip: nil)
        case .failure(let fault): skip(id, fault.isOfNumbers ? .notFinite : .picture, fault.fault)
        }
      }
    }
    return GenerationResult(imageID: imageID, outcomes: examples.compactMap { outcomes[$0.id] })
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

  private struct AnswerFault: Error {
    let fault: any ContentFault
    var isOfNumbers: Bool { fault is NotFiniteScores }
  }

  /// The answers together; where that fails, each by itself, so that one question costs no other.
  private func answers(
    to questions: [TextGenerator.Question], about image: RGBImage, by generator: TextGenerator,
    poll: @escaping () throws -> Void
  ) throws -> [(id: Int64, answer: Result<String, AnswerFault>)] {
    do {
      return zip(questions, try generator.answers(to: questions, about: image, poll: poll)).map { question, answer in
        (question.id, .success(answer.text.trimmingCharacters(in: .whitespacesAndNewlines)))
      }
    } catch let fault as any ContentFault {
      guard questions.count > 1 else { return questions.map { ($0.id, .failure(AnswerFault(fault: fault))) } }
      return try questions.flatMap { try answers(to: [$0], about: image, by: generator, poll: poll) }
    }
  }
}

/// What became of one unit, as it travels to rank 0 and lies in the journal.
struct GenerationResult: Codable, Equatable, Sendable {
  struct Outcome: Codable, Equatable, Sendable {
    let id: Int64
    /// nil where it could not be answered.
    let text: String?
    /// nil where it was.
    let skip: SkipReason?
  }

  let imageID: Int64
  let outcomes: [Outcome]

  /// What could not be answered.
  var skipped: [Outcome] { outcomes.filter { $0.skip != nil } }

  func encode() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

  /// - Throws: `JobError` where the bytes aren't a result.
  init(decoding bytes: [UInt8]) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) } catch {
      throw JobError("a record holds no result of generating: \(error)")
    }
  }

  init(imageID: Int64, outcomes: [Outcome]) {
    self.imageID = imageID
    self.outcomes = outcomes
  }
}
