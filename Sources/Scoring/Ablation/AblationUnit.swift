import COCO
import Decoding
import Foundation
import IO
import ImageInput
import Jobs
import RunSupport
import Transformer
import VisionLanguage

/// One unit of work: an image with all that is said of it.
struct AblationUnit: Sendable, WorkUnit {
  let imageID: Int64
  /// Ascending by id.
  let examples: [ImageTextExample]

  var key: Int { Int(imageID) }
  var sampleCount: Int { examples.count }
  var fileNames: Set<String> { Set(examples.map(\.fileName)) }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.list(examples) { $1.encode(into: &$0) }
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    let examples = try reader.list { try ImageTextExample(&$0) }
    try reader.finish()
    guard let first = examples.first else { throw JobError("a rank's message has an image without examples") }
    self.init(imageID: first.imageID, examples: examples)
  }

  init(imageID: Int64, examples: [ImageTextExample]) { (self.imageID, self.examples) = (imageID, examples) }

  /// Ascending by image id.
  static func units(of dataset: ImageTextDataset, limit: Int?) -> [AblationUnit] {
    Dictionary(grouping: dataset.examples.prefix(limit ?? .max), by: \.imageID)
      .map { AblationUnit(imageID: $0, examples: $1) }.sorted { $0.imageID < $1.imageID }
  }

  /// Multiplications of the unit, about.
  func cost(_ costs: inout UnitCosts) -> Double {
    costs.multiplications(
      of: examples[0].size,
      textRows: examples.reduce(0) { $0 + UnitCosts.tokens(($1.prompt ?? "") + ($1.target ?? "")) })
  }

  /// What is said of the image, in a form that the model takes.
  struct Texts {
    /// nil if it can't be used; then all examples are skipped.
    fileprivate(set) var image: PreparedImage?
    fileprivate(set) var usable: [(id: Int64, sequence: TokenSequence)] = []
    /// What the model is asked: an image of descriptions once, by the image's id; else every question, by its own. None
    /// without a generator.
    fileprivate(set) var questions: [TextGenerator.Question] = []
    fileprivate(set) var skipped: [SkippedSample] = []
  }

  /// Reads the image and the texts.
  ///
  /// - Parameter generator: for the questions, where answers are wanted.
  /// - Throws: errors of the environment.
  func texts(
    for model: any VisionLanguageModel, generator: TextGenerator? = nil, pictures: Pictures, prompt: String
  ) throws -> Texts {
    let first = examples[0]
    var texts = Texts()
    do {
      let picture = try pictures.image(first.fileName, size: first.size.map { ($0.width, $0.height) })
      let layout = try model.visualLayout(width: picture.image.width, height: picture.image.height)
      for example in examples {
        do {
          let sequence = try sequence(of: example, model: model, prompt: prompt, layout: layout)
          if let generator, example.prompt != nil || texts.questions.isEmpty {
            texts.questions.append(
              try generator.question(
                example.prompt ?? prompt, id: example.prompt == nil ? imageID : example.id, layout: layout))
          }
          texts.usable.append((example.id, sequence))
        } catch let fault as any ContentFault {
          texts.skipped.append(SkippedSample(id: example.id, reason: SkipReason(.text, fault)))
        }
      }
      texts.image = picture
    } catch let fault as any ContentFault { texts.skipped = skipped(SkipReason(.picture, fault)) }
    return texts
  }

  /// The losses of everything that is said of the image. What can't be used is a result too.
  ///
  /// - Parameter generator: nil where no answers are wanted.
  /// - Throws: errors of the environment, a failed library call, what `poll` throws.
  func measured(
    by reader: DescriptionLossReader, generator: TextGenerator?, model: any VisionLanguageModel,
    ablations: [AblatedHeads], pictures: Pictures, prompt: String, poll: @escaping () throws -> Void
  ) throws -> Measured {
    let texts = try texts(for: model, generator: generator, pictures: pictures, prompt: prompt)
    var measured = Measured(unit: self, skipped: texts.skipped)
    guard let image = texts.image else { return measured }
    do {
      let visual = try model.encode(image, taps: Taps(afterLayer: { _, _ in try poll() }))
      let losses = try reader.read(
        image: image, encoded: visual, sequences: texts.usable.map(\.sequence), ablations: ablations, afterLayer: poll)
      for (index, sample) in texts.usable.enumerated() {
        let its = losses.map { $0[index] }
        let problem = "its loss is not finite: are the model's weights intact?"
        if its.allSatisfy(\.isFinite) {
          measured.outcomes.append(
            UnitLosses.Outcome(id: sample.id, tokens: sample.sequence.predictingRows.count, losses: its, skip: nil))
        } else {
          measured.skipped.append(SkippedSample(id: sample.id, reason: SkipReason(.notFinite, problem)))
        }
      }
      if generator != nil {
        let used = Set(measured.outcomes.map(\.id))
        measured.asked = AblationAnswers.Asked(
          image: image.image, visual: visual,
          questions: texts.questions.filter { used.contains($0.id) || $0.id == imageID && !used.isEmpty })
      }
    } catch let fault as any ContentFault { measured.skipAll(fault) }
    return measured
  }

  /// A unit's losses, before its answers are there.
  struct Measured {
    let unit: AblationUnit
    fileprivate(set) var outcomes: [UnitLosses.Outcome] = []
    fileprivate(set) var skipped: [SkippedSample]
    /// What is asked; nil where no answers are wanted, or none can be had.
    fileprivate(set) var asked: AblationAnswers.Asked?

    fileprivate init(unit: AblationUnit, skipped: [SkippedSample]) { (self.unit, self.skipped) = (unit, skipped) }

    /// The model can't take the picture after all, or gives no numbers.
    fileprivate mutating func skipAll(_ fault: any ContentFault) {
      (outcomes, asked) = ([], nil)
      skipped = unit.skipped(SkipReason(fault is NotFiniteScores ? .notFinite : .picture, fault))
    }

    /// - Parameter answers: to what was asked; nil for nothing.
    func result(_ answers: Result<[UnitLosses.Answer], AblationAnswers.Fault>?) -> UnitLosses {
      var measured = self
      var found: [UnitLosses.Answer]?
      switch answers {
      case .success(let answers)?: found = answers
      case .failure(let fault)?: measured.skipAll(fault.content)
      case nil: break
      }
      let all =
        measured.outcomes
        + measured.skipped.map { UnitLosses.Outcome(id: $0.id, tokens: 0, losses: nil, skip: $0.reason) }
      return UnitLosses(imageID: unit.imageID, outcomes: all.sorted { $0.id < $1.id }, answers: found)
    }
  }

  /// All examples.
  private func skipped(_ reason: SkipReason) -> [SkippedSample] {
    examples.map { SkippedSample(id: $0.id, reason: reason) }
  }

  private func sequence(
    of example: ImageTextExample, model: any VisionLanguageModel, prompt: String, layout: VisualLayout
  ) throws -> TokenSequence {
    let target = (example.target ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !target.isEmpty else { throw SampleFault("it has no description or answer") }
    let sequence = try model.sequence(prompt: example.prompt ?? prompt, description: target, layout: layout)
    guard !sequence.caption.isEmpty else { throw SampleFault("its text has no tokens") }
    return sequence
  }
}

/// What became of one unit, as it travels to rank 0 and lies in the journal.
struct UnitLosses: Codable, Equatable, Sendable, WorkResult {
  struct Outcome: Codable, Equatable, Sendable {
    let id: Int64
    /// Supervised tokens.
    let tokens: Int
    /// Sums of their losses: of the unmodified model, then of each ablation; nil if the example can't be used.
    let losses: [Double]?
    /// nil if it can.
    let skip: SkipReason?
  }

  struct Answer: Codable, Equatable, Sendable {
    /// Of the question, or of an image of descriptions.
    let id: Int64
    /// Of the unmodified model, then of each ablation.
    let texts: [String]
  }

  let imageID: Int64
  /// Ascending by id.
  let outcomes: [Outcome]
  /// nil where none are wanted, or none can be had.
  var answers: [Answer]?

  var key: Int { Int(imageID) }
  var sampleCount: Int { outcomes.count }

  var skipped: [SkippedSample] {
    outcomes.compactMap { outcome in outcome.skip.map { SkippedSample(id: outcome.id, reason: $0) } }
  }

  /// - Throws: `JobError` if the bytes aren't a result of so many ablations.
  init(decoding bytes: [UInt8], ablations: Int) throws {
    try self.init(json: bytes, called: "losses")
    guard outcomes.allSatisfy({ $0.losses.map { $0.count == 1 + ablations } ?? true }),
      (answers ?? []).allSatisfy({ $0.texts.count == 1 + ablations })
    else {
      throw JobError(
        "a record of image \(imageID) has the wrong number of losses or answers; expected are 1 + \(ablations) ablations"
      )
    }
  }

  init(imageID: Int64, outcomes: [Outcome], answers: [Answer]? = nil) {
    self.imageID = imageID
    self.outcomes = outcomes
    self.answers = answers
  }
}
