import Figures
import Foundation
import HeadImpact
import IO
import ImageInput
import Kernels
import LowRankAdaptation
import RunSupport
import Safetensors
import VisionLanguage

/// Draws where chosen heads look in one picture while one text is read: a folder with one sheet per head, one image per
/// word, a page and a table.
public struct AttendJob {
  private let configuration: AttendConfiguration

  /// What a finished run reports.
  public struct Summary: Sendable {
    public struct Head: Sendable {
      public let head: Selection.Head
      /// IoU by the measure `matched`, and what chance would give; nil without a mask.
      public let matched: Double?
      public let chance: Double?
      /// Of a visual token.
      public let highestScore: Float
    }

    public let text: String
    /// Whether the model said it.
    public let isGenerated: Bool
    public let words: Int
    public let tokens: Int
    public let visualTokens: Int
    public let heads: [Head]
    public let output: URL
  }

  public init(_ configuration: AttendConfiguration) { self.configuration = configuration }

  /// - Throws: errors of the inputs or of the job; there is no output then.
  public func run() throws -> Summary {
    let c = configuration
    try c.validate()
    let subject = try Subject(c.subject)
    let backend = try CPUBackend(
      precision: c.precision, team: ThreadTeam(count: c.threads ?? JobDefaults.threads(localRanks: 1)))
    let model = try ModelRegistry.load(folder: c.model, input: c.input, backend: backend)
    Remarks.tell(
      model.remarks.general + model.chat.remarks(onAdapter: c.adapter)
        + (c.adapter.map { PEFTAdapter.remarks(onBaseOf: $0, model: c.model) } ?? []))
    if let scored = c.scoredModelSHA256 {
      let sha256 = try SafetensorsCheckpoint(folder: c.model).headerDigest()
      try JobInputs.checkScored(scored, by: "the heads", is: sha256, of: c.model)
    }
    if let folder = c.adapter {
      model.apply(try PEFTAdapter.load(folder: folder, for: model, allowsNoChange: true))
    }
    try c.heads.check(layers: model.decoder.layers.count, heads: model.numAttentionHeads)
    try c.options.views.check(model)
    let layout = try model.visualLayout(width: subject.image.width, height: subject.image.height)
      .selecting(c.options.views)
    let spoken = try SpokenText(subject, said: c.text, prompt: c.prompt, by: model, layout: layout)
    let reading = try AttentionReading(subject, spoken, layout: layout, by: model, c)
    let text = spoken.text.trimmingCharacters(in: .whitespacesAndNewlines)
    let refusal = { (old: URL, _: URL) in
      try AttendConfiguration.folder.refusal(of: old, overwrites: c.overwrites)
    }
    try WholeFolder.write(to: c.output, what: "the pictures", refusal: refusal) { folder in
      try write(reading, subject, text: text, isGenerated: spoken.isGenerated, to: folder)
    }
    return Summary(
      text: text, isGenerated: spoken.isGenerated, words: reading.words.count, tokens: reading.tokens.count,
      visualTokens: reading.cells.count,
      heads: reading.heads.map {
        Summary.Head(
          head: $0.head, matched: $0.matched?.value, chance: $0.matched?.chance, highestScore: $0.highest)
      }, output: c.output)
  }

  private var modelName: String {
    func name(_ folder: URL) -> String { folder.standardizedFileURL.lastPathComponent }
    return name(configuration.model) + (configuration.adapter.map { " with the adapter \(name($0))" } ?? "")
  }

  private func write(
    _ reading: AttentionReading, _ subject: Subject, text: String, isGenerated: Bool, to folder: URL
  ) throws {
    func write(_ bytes: [UInt8], _ name: String) throws {
      try WholeFolder.write(bytes, to: folder.appendingPathComponent(name))
    }
    let layers = try PartOverlay.all(of: reading, over: subject.image)
    let photograph = layers[0].overlay.photograph
    let png = try encodePNG(photograph)
    // The finest cells are framed.
    let mask = try subject.mask.map { try encodePNG(layers[0].overlay.picture(of: $0)) }
    try write(png, "photograph.png")
    if let mask { try write(mask, "mask.png") }
    for read in reading.heads {
      func pictures(_ scores: [Float], highest: Float, name: String) throws -> [HeadSheet.Picture] {
        try layers.map { layer in
          let png = try encodePNG(layer.picture(of: scores, highest: highest))
          try write(png, "\(read.head)-\(name)\(layer.suffix).png")
          return HeadSheet.Picture(part: layer.words, png: png)
        }
      }
      let average = try pictures(read.average, highest: read.highestAverage, name: "average")
      let pieces = try read.pieces.enumerated().map { index, scores in
        try pictures(scores, highest: read.highest, name: "\(reading.piece.rawValue)-\(index + 1)")
      }
      let sheet = HeadSheet(
        read, pieces: zip(reading.pieces, pieces).map { ($0.text, $1) }, average: average, photograph: png,
        mask: mask, subject: subject, text: text, model: modelName,
        aspect: Double(photograph.width) / Double(photograph.height))
      try write(Array(sheet.svg.utf8), "\(read.head).svg")
    }
    try write(Array(reading.csv.utf8), "attention.csv")
    let page = AttentionPage(
      text: text, isGenerated: isGenerated, subject: subject.name, model: modelName,
      system: configuration.input.system, prompt: configuration.prompt, query: configuration.options.query,
      data: PageData(reading, size: (subject.image.width, subject.image.height)), heads: reading.heads,
      photograph: try encodePNG(Photograph(subject.image, longestSide: PageData.longestSide(of: subject.image)).image))
    try write(Array(try page.html().utf8), "index.html")
  }
}

/// One part of the visual tokens over the photograph.
private struct PartOverlay {
  let overlay: Overlay
  private let tokens: [Range<Int>]
  /// In the names of files; nothing if there is one part only.
  let suffix: String
  /// nil if there is one part only.
  let words: String?

  /// - Throws: `ImageError`.
  static func all(of reading: AttentionReading, over image: RGBImage) throws -> [PartOverlay] {
    try reading.parts.map { part in
      let (isOnly, isTiles) = (reading.parts.count == 1, part.kind == .tile)
      return PartOverlay(
        overlay: try Overlay(
          image, cells: part.tokens.flatMap { reading.cells[$0] },
          isFramed: reading.mask.map { mask in part.tokens.flatMap { mask.isObject[$0] } } ?? []),
        tokens: part.tokens, suffix: isOnly ? "" : isTiles ? "-tiles" : "-global",
        words: isOnly ? nil : isTiles ? "tiles" : "whole image")
    }
  }

  /// - Parameter scores: of all visual tokens.
  func picture(of scores: [Float], highest: Float) -> RGBImage {
    overlay.picture(of: tokens.flatMap { scores[$0] }, highest: highest)
  }
}

extension HeadSheet {
  fileprivate init(
    _ read: AttentionReading.Head, pieces: [(text: String, pictures: [Picture])], average: [Picture],
    photograph: [UInt8], mask: [UInt8]?, subject: Subject, text: String, model: String, aspect: Double
  ) {
    var tiles: [Tile?] = [Tile(label: "photograph", description: subject.name, png: photograph)]
    if let mask {
      tiles.append(Tile(label: "mask, with its cells framed", description: "the object that is described", png: mask))
    } else if average.count > 1 {
      // The pictures of one word stay in one row.
      tiles.append(nil)
    }
    func add(_ pictures: [Picture], label: String, description: String, isWord: Bool) {
      tiles += pictures.map { picture in
        Tile(
          label: picture.part.map { "\(label) · \($0)" } ?? label,
          description: picture.part.map { "\(description), on the \($0)" } ?? description, png: picture.png,
          isWord: isWord)
      }
    }
    add(
      average, label: average.count > 1 ? "average" : "average over the text",
      description: "attention, averaged over all tokens", isWord: false)
    for piece in pieces {
      add(piece.pictures, label: piece.text, description: "attention from “\(piece.text)”", isWord: true)
    }
    var lines = ["“\(shortened(text, to: 140))”", "\(subject.name) · \(model)"]
    if let matched = read.matched {
      lines.append(
        "IoU with the mask (matched) \(NumberText.plain(matched.value, decimals: 3)), by chance "
          + NumberText.plain(matched.chance, decimals: 3)
      )
    }
    self.init(
      title: "Head \(read.head)", lines: lines, tiles: tiles, tilesInRow: average.count > 1 ? 4 : 5, aspect: aspect,
      scales: [("one word or token", read.highest), ("average over the text", read.highestAverage)])
  }
}
