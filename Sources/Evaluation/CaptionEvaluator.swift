import COCO

/// Scores captions against references, which are read and counted once for any number of results.
public struct CaptionEvaluator: Sendable {
  /// In the order of the references.
  public let imageIDs: [Int64]
  private let references: TokenizedTexts
  /// The references of each image, among all of them.
  private let texts: [Range<Int>]
  private let tokenizer: PTBTokenizer
  private let table: NGramTable
  private let counts: NGramCounts
  private let cider: CIDErD

  /// - Throws: `EvaluationError` if there is no image, one occurs twice, or one has no reference.
  public init(_ references: CaptionReferences) throws {
    var texts: [Range<Int>] = []
    var seen: Set<Int64> = []
    for image in references.images {
      guard seen.insert(image.id).inserted, !image.texts.isEmpty else {
        throw EvaluationError("\(references.name): image \(image.id) occurs twice, or has no text to compare with")
      }
      let first = texts.last?.upperBound ?? 0
      texts.append(first..<first + image.texts.count)
    }
    guard !texts.isEmpty else { throw EvaluationError("\(references.name): there is no image") }
    imageIDs = references.images.map(\.id)
    var tokenizer = PTBTokenizer()
    let tokenized = TokenizedTexts(references.images.flatMap(\.texts), &tokenizer)
    var table = NGramTable()
    counts = tokenized.counts(&table)
    cider = CIDErD(counts, texts: texts, vocabulary: table.count)
    self.references = tokenized
    self.texts = texts
    self.tokenizer = tokenizer
    self.table = table
  }

  /// Why CIDEr is not meaningful here; nil if it is.
  public var warning: String? {
    imageIDs.count > 1
      ? nil
      : "CIDEr is 0 for a set of one image: it weighs an n-gram by how few images contain it, and here every n-gram is in all "
        + "images"
  }

  /// - Parameters:
  ///   - captions: one of each image, in the order of `imageIDs`; may be empty.
  ///   - meteor: computes METEOR; without it METEOR is absent.
  /// - Throws: `EvaluationError` if there are more captions or fewer, or the jar fails.
  public func evaluate(_ captions: [String], meteor: MeteorJar? = nil) throws -> CaptionEvaluation {
    guard captions.count == imageIDs.count else {
      throw EvaluationError("\(captions.count) captions of \(imageIDs.count) images: there must be one of each")
    }
    var (tokenizer, table) = (tokenizer, table.extended())
    let candidates = TokenizedTexts(captions, &tokenizer)
    let candidateCounts = candidates.counts(&table)
    var bleu: [BleuCounts] = []
    var (rougeL, cider, exactMatch, tokenF1): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
    for (image, texts) in texts.enumerated() {
      let length = candidates.words(image).count
      let lengths = texts.map { references.words($0).count }
      bleu.append(
        BleuCounts(
          candidateCounts, candidate: image, length: length, references: counts, indices: texts, lengths: lengths))
      cider.append(
        self.cider.score(
          candidateCounts, candidate: image, length: length, references: counts, indices: texts, lengths: lengths))
      let tokens = candidates.tokens(image)
      let others = texts.map { references.tokens($0) }
      rougeL.append(RougeL.score(tokens, others))
      exactMatch.append(TokenF1.exactMatch(tokens, others))
      tokenF1.append(TokenF1.score(tokens, others))
    }
    var evaluation = CaptionEvaluation(
      imageIDs: imageIDs, references: references.count, bleu: bleu,
      perImage: [.rougeL: rougeL, .cider: cider, .exactMatch: exactMatch, .tokenF1: tokenF1])
    if let meteor {
      let scores = try meteor.scores(
        texts.enumerated().map { image, texts in
          (candidates.text(image, tokenizer), texts.map { references.text($0, tokenizer) })
        })
      evaluation.addMeteor(scores.corpus, perImage: scores.perImage)
    }
    return evaluation
  }
}
