/// A measure of captions, by the name that coco-caption prints.
public enum CaptionMetric: String, CaseIterable, Sendable, Encodable {
  case bleu1 = "Bleu_1"
  case bleu2 = "Bleu_2"
  case bleu3 = "Bleu_3"
  case bleu4 = "Bleu_4"
  case rougeL = "ROUGE_L"
  /// CIDEr-D, which coco-caption prints under this name.
  case cider = "CIDEr"
  /// Only with the jar of METEOR 1.5.
  case meteor = "METEOR"
  /// - Units: percent; the others are plain numbers.
  case exactMatch = "exact_match"
  case tokenF1 = "token_F1"

  static let bleus: [CaptionMetric] = [.bleu1, .bleu2, .bleu3, .bleu4]
}

/// How good the captions of many images are: a pure value, made by `CaptionEvaluator`.
public struct CaptionEvaluation: Sendable, Equatable {
  /// In the order of the references.
  public let imageIDs: [Int64]
  /// How many texts the captions were compared with.
  public let references: Int
  /// One score of the whole set by metric. BLEU is that of the summed counts, METEOR the jar's own; the others are
  /// means over images.
  public private(set) var scores: [CaptionMetric: Double] = [:]
  /// A score of each image by metric. - Shape: [image]
  public private(set) var perImage: [CaptionMetric: [Double]] = [:]
  /// What each image adds to corpus BLEU. - Shape: [image]
  let bleu: [BleuCounts]

  init(imageIDs: [Int64], references: Int, bleu: [BleuCounts], perImage others: [CaptionMetric: [Double]]) {
    self.imageIDs = imageIDs
    self.references = references
    self.bleu = bleu
    perImage = others
    for (i, metric) in CaptionMetric.bleus.enumerated() { perImage[metric] = bleu.map { $0.scores[i] } }
    let total = corpusBleu.scores
    for (metric, values) in perImage { scores[metric] = values.reduce(0, +) / Double(max(1, values.count)) }
    for (i, metric) in CaptionMetric.bleus.enumerated() { scores[metric] = total[i] }
  }

  /// Adds the METEOR jar's scores.
  mutating func addMeteor(_ corpus: Double, perImage values: [Double]) {
    precondition(values.count == imageIDs.count)
    scores[.meteor] = corpus
    perImage[.meteor] = values
  }

  /// The metrics there are, in the order in which they are shown.
  public var metrics: [CaptionMetric] { CaptionMetric.allCases.filter { scores[$0] != nil } }

  var corpusBleu: BleuCounts { bleu.reduce(into: BleuCounts()) { $0 += $1 } }
}

extension CaptionEvaluation: Encodable {
  private enum Key: String, CodingKey { case images, references, scores, bleuCounts }

  /// The scores and their counts; the scores of each image go to a separate file.
  public func encode(to encoder: any Encoder) throws {
    struct Counts: Encodable {
      let testlen: Int
      let reflen: Int
      let guess: [Int]
      let correct: [Int]
    }
    let total = corpusBleu
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(imageIDs.count, forKey: .images)
    try values.encode(references, forKey: .references)
    try values.encode(
      Dictionary(uniqueKeysWithValues: scores.map { ($0.key.rawValue, $0.value) }), forKey: .scores)
    let orders = 0..<NGramTable.longest
    try values.encode(
      Counts(
        testlen: total.candidateLength, reflen: total.referenceLength, guess: orders.map { total.total[$0] },
        correct: orders.map { total.matched[$0] }), forKey: .bleuCounts)
  }
}
