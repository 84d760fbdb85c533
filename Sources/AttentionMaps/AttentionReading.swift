import HeadImpact
import ImageInput
import RunSupport
import VisionLanguage

/// The attention of some heads on one picture, word by word.
struct AttentionReading {
  struct Head {
    let head: Selection.Head
    /// Over the description's tokens. - Shape: [V].
    let average: [Float]
    /// Of each word, over its tokens. - Shape: [words] of [V].
    let words: [[Float]]
    /// IoU by the measure `matched`, and what chance would give; nil without a mask.
    let matched: (value: Double, chance: Double)?

    /// The highest score of a word.
    var highest: Float { words.compactMap { $0.max() }.max() ?? 0 }
    /// … of the average.
    var highestAverage: Float { average.max() ?? 0 }
  }

  /// What one picture shows: the tiles, which lie side by side, or the whole image.
  struct Part {
    let kind: ImageView.Kind
    let tokens: [Range<Int>]
  }

  let words: [Word]
  /// Two where the model is shown the image in tiles and as a whole.
  let parts: [Part]
  let views: [ImageView]
  let cells: [Cell]
  /// The visual tokens that the object covers; nil without a mask.
  let mask: TokenMask?
  let heads: [Head]

  /// - Throws: what is wrong with the subject or the heads, and what the model throws.
  init(_ subject: Subject, by model: any VisionLanguageModel, _ configuration: AttendConfiguration) throws {
    let perLayer = model.numAttentionHeads
    try configuration.heads.check(layers: model.decoder.layers.count, heads: perLayer)
    let options = configuration.options
    try options.views.check(model)
    let layout = try model.visualLayout(width: subject.image.width, height: subject.image.height)
      .selecting(options.views)
    let sequence = try model.sequence(prompt: configuration.prompt, description: subject.text, layout: layout)
    guard !sequence.caption.isEmpty else { throw JobError("the text \"\(subject.text)\" has no tokens") }
    let mask = try subject.mask.map { try TokenMask(of: $0, cells: layout.visualCells, threshold: options.coverage) }
    let rows = try AttentionScoreReader(model).readRows(
      image: subject.image, sequence: sequence, query: options.query, normalize: options.normalize)

    let (visual, all) = (layout.visualTokens, model.decoder.layers.count * perLayer)
    let words = Word.words(of: subject.text, spans: sequence.captionSpans)
    func mean(_ head: Selection.Head, over tokens: [Int]) -> [Float] {
      let first = (head.layer * perLayer + head.head) * visual
      return (0..<visual).map { token in
        tokens.reduce(0) { $0 + rows[$1 * all * visual + first + token] } / Float(tokens.count)
      }
    }
    let averages = configuration.heads.map { mean($0, over: Array(sequence.caption.indices)) }
    let impacts = try mask.map { mask in
      let scores = averages.flatMap { $0 }
      return try headImpacts(scores: scores.span, heads: averages.count, mask: mask, views: layout.grids)
    }
    self.words = words
    self.mask = mask
    cells = layout.visualCells
    views = layout.imageViews
    parts = ImageView.Kind.allCases.compactMap { kind in
      let chosen = layout.views.filter { $0.kind == kind }
      return chosen.isEmpty ? nil : Part(kind: kind, tokens: chosen.map(\.tokens))
    }
    heads = zip(configuration.heads, averages).enumerated().map { index, read in
      let at = Measure.matched.index * averages.count + index
      return Head(
        head: read.0, average: read.1, words: words.map { mean(read.0, over: $0.tokens) },
        matched: impacts.map { ($0.hi[at], $0.chance[at]) })
    }
  }
}
