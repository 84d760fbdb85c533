import HeadImpact
import ImageInput
import RunSupport
import VisionLanguage

/// The attention of all heads on one picture, token by token, and of the chosen ones piece by piece.
struct AttentionReading {
  struct Head {
    let head: Selection.Head
    /// Over the text's tokens. - Shape: [V].
    let average: [Float]
    /// Of each piece, over its tokens. - Shape: [pieces] of [V].
    let pieces: [[Float]]
    /// IoU by the measure `matched`, and what chance would give; nil without a mask.
    let matched: (value: Double, chance: Double)?

    /// The highest score of a piece.
    var highest: Float { pieces.compactMap { $0.max() }.max() ?? 0 }
    /// … of the average.
    var highestAverage: Float { average.max() ?? 0 }
  }

  /// What one picture shows: the tiles, which lie side by side, or the whole image.
  struct Part {
    let kind: ImageView.Kind
    let tokens: [Range<Int>]
  }

  let piece: AttendConfiguration.Piece
  /// What is drawn by itself: words, or tokens.
  let pieces: [Word]
  let words: [Word]
  /// The text of each token.
  let tokens: [String]
  /// Two where the model is shown the image in tiles and as a whole.
  let parts: [Part]
  let views: [ImageView]
  let cells: [Cell]
  /// The visual tokens that the object covers; nil without a mask.
  let mask: TokenMask?
  /// Those that were asked for.
  let heads: [Head]
  let layers: Int
  let headsPerLayer: Int
  /// IoU by the measure `matched` of every head of the model; nil without a mask.
  let matched: [Double]?

  /// - Shape: [tokens, L · H, V].
  private let rows: [Float]

  /// - Throws: what is wrong with the mask, and what the model throws.
  init(
    _ subject: Subject, _ spoken: SpokenText, layout: VisualLayout, by model: any VisionLanguageModel,
    _ configuration: AttendConfiguration
  ) throws {
    let options = configuration.options
    let rows = try AttentionScoreReader(model).readRows(
      image: subject.image, sequence: spoken.sequence, query: options.query, normalize: options.normalize)
    guard rows.allSatisfy(\.isFinite) else {
      throw JobError("the model's attention on \(subject.name) is not finite: are its weights intact?")
    }
    try self.init(
      rows: rows, tokens: spoken.tokens, text: spoken.text, spans: spoken.sequence.captionSpans,
      piece: configuration.piece ?? (spoken.isGenerated ? .token : .word), cells: layout.visualCells,
      views: layout.imageViews,
      parts: ImageView.Kind.allCases.compactMap { kind in
        let chosen = layout.views.filter { $0.kind == kind }
        return chosen.isEmpty ? nil : Part(kind: kind, tokens: chosen.map(\.tokens))
      }, mask: try subject.mask.map { try TokenMask(of: $0, cells: layout.visualCells, threshold: options.coverage) },
      layers: model.decoder.layers.count, headsPerLayer: model.numAttentionHeads, chosen: configuration.heads)
  }

  /// - Parameters:
  ///   - rows: the attention of each token on the visual tokens. - Shape: [tokens, L · H, V].
  ///   - spans: the characters of each token, in Unicode scalars of the text.
  /// - Throws: `HeadImpactError`.
  init(
    rows: [Float], tokens: [String], text: String, spans: [Range<Int>], piece: AttendConfiguration.Piece = .word,
    cells: [Cell], views: [ImageView] = [], parts: [Part] = [], mask: TokenMask? = nil, layers: Int,
    headsPerLayer: Int, chosen: [Selection.Head]
  ) throws {
    precondition(rows.count == tokens.count * layers * headsPerLayer * cells.count)
    (self.rows, self.tokens, self.piece, self.cells) = (rows, tokens, piece, cells)
    (self.views, self.parts, self.mask) = (views, parts, mask)
    (self.layers, self.headsPerLayer) = (layers, headsPerLayer)
    words = Word.words(of: text, spans: spans)
    pieces = piece == .word ? words : Word.tokens(tokens)

    let source = Rows(rows, tokens: tokens.count, heads: layers * headsPerLayer, visual: cells.count)
    let impacts = try mask.map { mask in
      let scores = (0..<source.heads).flatMap { source.mean(of: $0, over: Array(0..<source.tokens)) }
      return try headImpacts(scores: scores.span, heads: source.heads, mask: mask, views: views.map(\.grid))
    }
    let first = Measure.matched.index * source.heads
    matched = impacts.map { Array($0.hi[first..<first + source.heads]) }
    heads = chosen.map { [pieces] head in
      let place = head.layer * headsPerLayer + head.head
      return Head(
        head: head, average: source.mean(of: place, over: Array(0..<source.tokens)),
        pieces: pieces.map { source.mean(of: place, over: $0.tokens) },
        matched: impacts.map { ($0.hi[first + place], $0.chance[first + place]) })
    }
  }

  /// Every head of the model, layer by layer.
  var allHeads: [Selection.Head] {
    (0..<layers).flatMap { layer in (0..<headsPerLayer).map { Selection.Head(layer: layer, head: $0) } }
  }

  /// The mean of some tokens' rows. - Shape: [V].
  func scores(of head: Selection.Head, over tokens: some Collection<Int>) -> [Float] {
    Rows(rows, tokens: self.tokens.count, heads: layers * headsPerLayer, visual: cells.count)
      .mean(of: head.layer * headsPerLayer + head.head, over: Array(tokens))
  }

  private struct Rows {
    let rows: [Float]
    let tokens: Int
    let heads: Int
    let visual: Int

    init(_ rows: [Float], tokens: Int, heads: Int, visual: Int) {
      (self.rows, self.tokens, self.heads, self.visual) = (rows, tokens, heads, visual)
    }

    func mean(of head: Int, over tokens: [Int]) -> [Float] {
      let first = head * visual
      return (0..<visual).map { token in
        tokens.reduce(0) { $0 + rows[$1 * heads * visual + first + token] } / Float(tokens.count)
      }
    }
  }
}
