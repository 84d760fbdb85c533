import IO
import ImageInput
import Kernels
import Transformer
import VisionLanguage

/// Answers questions about pictures: the vision pass of a picture once, the keys and values of what its questions have in
/// common once, then all hypotheses together, one row each a step, for one reading of the weights.
public final class TextGenerator {
  /// What was generated.
  public struct Answer: Equatable, Sendable {
    /// With the stop token, where there was one.
    public let ids: [Int32]
    public let text: String
  }

  /// A question about an image, and the id of its example, on which what is drawn depends.
  public struct Question: Sendable {
    public let id: Int64
    public let tokens: TokenSequence

    public init(id: Int64, tokens: TokenSequence) { (self.id, self.tokens) = (id, tokens) }
  }

  private let model: any VisionLanguageModel
  private let options: DecodingOptions
  /// Of pictures that are answered one at a time.
  private let cache: KeyValueCache
  private let hidden = ScratchTensor()
  /// Of the passes of all batches.
  public let times = PassTimes()

  public init(_ model: any VisionLanguageModel, options: DecodingOptions) {
    self.model = model
    cache = KeyValueCache(on: model.backend)
    self.options = options
  }

  /// What is done to an image before the vision tower.
  public var imageProcessor: any ImageProcessor { model.processor }

  /// What an image becomes for the model.
  ///
  /// - Throws: `ImageError` if the family can't take such an image.
  public func layout(of image: RGBImage) throws -> VisualLayout {
    try model.visualLayout(width: image.width, height: image.height)
  }

  /// A prompt about an image of this layout.
  ///
  /// - Throws: as `VisionLanguageModel.question`; also where the longest answer wouldn't fit.
  public func question(_ prompt: String, id: Int64, layout: VisualLayout) throws -> Question {
    // The last new token is never given to the model.
    Question(
      id: id, tokens: try model.question(prompt: prompt, layout: layout, answerTokens: options.maxNewTokens - 1))
  }

  /// A batch of pictures, none yet.
  public func batch() -> AnswerBatch {
    AnswerBatch(model, options, cache: KeyValueCache(on: model.backend), hidden: ScratchTensor(), times: times)
  }

  /// Answers questions about one picture.
  ///
  /// - Parameters:
  ///   - visual: of the image, if it has been encoded; what a new encoding gives has the same bits.
  ///   - poll: called after each layer of the vision tower and the decoder; a thrown error ends the work.
  /// - Throws: `NotFiniteScores`, and what `poll` throws.
  public func answers(
    to requests: [Question], about image: some ImageForModel, encoded visual: VisualFeatures? = nil,
    poll: @escaping () throws -> Void = {}
  ) throws -> [Answer] {
    guard !requests.isEmpty else { return [] }
    var options = options
    options.batch = 1
    let batch = AnswerBatch(model, options, cache: cache, hidden: hidden, times: times)
    batch.add(0, image: image, questions: requests, encoded: visual)
    while !batch.isEmpty {
      for finished in try batch.step(poll: poll) {
        return try finished.outcomes.map { outcome in
          switch outcome {
          case .answer(let answer): answer
          case .fault(let fault): throw fault
          }
        }
      }
    }
    return []
  }

  /// The same of prompts, each with the id of its example.
  func answers(
    image: RGBImage, prompts: [(id: Int64, text: String)], poll: @escaping () throws -> Void = {}
  ) throws -> [Answer] {
    let layout = try layout(of: image)
    let questions = try prompts.map { try question($0.text, id: $0.id, layout: layout) }
    return try answers(to: questions, about: image, poll: poll)
  }
}

/// The model gives a sample no finite scores.
public struct NotFiniteScores: ContentFault, CustomStringConvertible, Equatable {
  public var description: String {
    "the model's scores of the next token are not finite numbers. Are the model's weights intact?"
  }
}
