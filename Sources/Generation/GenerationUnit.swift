import COCO
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
      let tokens = unit.examples[0].size.flatMap { try? layout($0.width, $0.height) }
      let rows = (tokens?.visualTokens ?? 0) + unit.examples.count * (maxNewTokens + questionTokens)
      return dimensions.multiplications(patches: tokens?.patches ?? 0, rows: rows)
    }
    return units.indices.sorted { (costs[$0], $1) > (costs[$1], $0) }
  }

  /// About as many as a question and its template have: nobody needs them exactly before the tokenizer counts.
  private static let questionTokens = 24

  /// The answers to everything that is asked. An image or a question that can't be used is a result too.
  ///
  /// - Parameter view: what is made of the image for one example; nil where all are asked about the image itself.
  /// - Throws: what is no sample's own fault: a model that gives no finite scores, a failed library call, what `poll`
  ///   throws.
  func answered(
    by generator: TextGenerator, images: URL, prompt: String,
    view: ((ImageTextExample, RGBImage) throws -> RGBImage)? = nil, poll: @escaping () throws -> Void
  ) throws -> GenerationResult {
    var outcomes: [Int64: GenerationResult.Outcome] = [:]
    func skip(_ example: ImageTextExample, _ error: any Error) {
      outcomes[example.id] = GenerationResult.Outcome(id: example.id, text: nil, reason: "\(error)")
    }
    var asked: [(image: RGBImage, questions: [TextGenerator.Question])] = []
    let first = examples[0]
    do {
      let image = try JobInputs.image(first.fileName, in: images, size: first.size.map { ($0.width, $0.height) })
      if view == nil { asked = [(image, [])] }
      for example in examples {
        do {
          let shown = try view?(example, image) ?? image
          let question = try generator.question(
            example.prompt ?? prompt, id: example.id, visualTokens: generator.visualTokens(of: shown))
          if view == nil { asked[0].questions.append(question) } else { asked.append((shown, [question])) }
        } catch { skip(example, error) }
      }
    } catch {
      for example in examples { skip(example, error) }
    }
    for (image, questions) in asked {
      for (question, answer) in zip(questions, try generator.answers(to: questions, about: image, poll: poll)) {
        let text = answer.text.trimmingCharacters(in: .whitespacesAndNewlines)
        outcomes[question.id] = GenerationResult.Outcome(id: question.id, text: text, reason: nil)
      }
    }
    return GenerationResult(imageID: imageID, outcomes: examples.compactMap { outcomes[$0.id] })
  }
}

/// What became of one unit, as it travels to rank 0 and lies in the journal.
struct GenerationResult: Codable, Equatable, Sendable {
  struct Outcome: Codable, Equatable, Sendable {
    let id: Int64
    /// nil where it could not be answered.
    let text: String?
    let reason: String?
  }

  let imageID: Int64
  let outcomes: [Outcome]

  /// What could not be answered.
  var skipped: [Outcome] { outcomes.filter { $0.reason != nil } }

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
