import HeadImpact
import Testing

@testable import VisionLanguage

@Suite("Ranges of tokens")
struct TokenRangesTests {
  @Test("ascending positions become ranges that don't touch, and positions again")
  func positions() {
    let ranges = TokenRanges(positions: [2, 3, 4, 9, 11, 12])
    #expect(ranges.ranges == [2..<5, 9..<10, 11..<13])
    #expect(ranges.count == 6 && ranges.end == 13 && !ranges.isEmpty)
    #expect(ranges.positions == [2, 3, 4, 9, 11, 12])
    #expect(ranges.positions.map(ranges.index) == [0, 1, 2, 3, 4, 5])
    for position in [-1, 0, 1, 5, 8, 10, 13, 100] { #expect(!ranges.contains(position)) }
    #expect(TokenRanges(positions: 4..<8) == TokenRanges(4..<8))
  }

  @Test("no position is a set of ranges too")
  func none() {
    let ranges = TokenRanges(3..<3)
    #expect(ranges == TokenRanges(positions: []) && ranges.isEmpty)
    #expect(ranges.count == 0 && ranges.end == 0 && !ranges.contains(3))
  }
}

@Suite("Layouts of several views")
struct TiledLayoutTests {
  /// Two tiles of 1 × 2 and the whole image in 2 × 2, with a token behind each row of the latter that shows nothing.
  private let layout: VisualLayout = {
    func cell(_ x: Double) -> Cell? { Cell(x0: x, y0: 0, x1: x + 1, y1: 1) }
    return VisualLayout(
      views: [
        (.tile, ViewGrid(rows: 1, cols: 2)), (.tile, ViewGrid(rows: 1, cols: 2)),
        (.wholeImage, ViewGrid(rows: 2, cols: 2)),
      ], cells: [cell(0), cell(1), cell(2), cell(3), cell(4), cell(5), nil, cell(6), cell(7), nil], text: "", patches: 9
    )
  }()

  @Test("each view has its part of the visual tokens; a token without a cell is an image token only")
  func views() {
    #expect(layout.imageTokens == 10 && layout.visualTokens == 8)
    #expect(layout.views.map(\.tokens) == [0..<2, 2..<4, 4..<8])
    #expect(layout.grids.map { $0.rows * $0.cols } == [2, 2, 4])
    #expect(layout.visualCells.map(\.x0) == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(layout.positions == .sequential)
  }

  @Test("--views keeps the cells of its views and every image token")
  func selection() throws {
    #expect(try layout.selecting(.all) == layout)
    let tiles = try layout.selecting(.tiles)
    #expect(tiles.imageTokens == 10 && tiles.visualCells.map(\.x0) == [0, 1, 2, 3])
    #expect(tiles.views.map(\.kind) == [.tile, .tile] && tiles.views.map(\.tokens) == [0..<2, 2..<4])
    let whole = try layout.selecting(.global)
    #expect(whole.visualCells.map(\.x0) == [4, 5, 6, 7] && whole.grids == [ViewGrid(rows: 2, cols: 2)])
    #expect(whole.cells.map { $0 == nil } == [true, true, true, true, false, false, true, false, false, true])
    #expect(whole.text == layout.text && whole.patches == layout.patches)
  }

  @Test("an image without a view that is asked for is a fault of the image; a family without is refused")
  func noSuchView() throws {
    let whole = VisualLayout.row(of: 3)
    #expect(try whole.selecting(.global) == whole)
    #expect(throws: NoSuchView.self) { try whole.selecting(.tiles) }
    let model = try loadModel(checkpoint("nested"))
    try HeadImpactOptions.Views.all.check(model)
    for views in [HeadImpactOptions.Views.tiles, .global] {
      #expect {
        try views.check(model)
      } throws: { "\($0)".contains("--views is \(views.rawValue); it must be all") }
    }
  }
}

@Suite("The image's text in a chat")
struct ExpansionTests {
  @Test("tokens of the expanded text are those of the chat with the image's token repeated", arguments: [1, 7, 300])
  func splicing(_ count: Int) throws {
    for folder in GoldenSample.folders {
      let model = try loadModel(checkpoint(folder))
      let chat = try model.chat.conversation(prompt: "What is <|image_pad|>?", answer: "a dog\n")
      let encoding = try model.parts.prompts.tokenizer.encode(chat.text)
      let image = try #require(
        encoding.ids.indices.first {
          Int(encoding.ids[$0]) == model.configuration.imageTokenId && encoding.offsets[$0].overlaps(chat.image)
        })
      let spliced =
        encoding.ids[..<image] + [Int32](repeating: encoding.ids[image], count: count) + encoding.ids[(image + 1)...]
      let sequence = try model.sequence(
        prompt: "What is <|image_pad|>?", description: "a dog\n", layout: .row(of: count))
      #expect(sequence.ids == Array(spliced))
      // The whole text gives the same.
      let whole = chat.replacingImage(with: VisualLayout.row(of: count).text)
      #expect(try model.parts.prompts.tokenizer.encode(whole.text).ids == sequence.ids)
      #expect(sequence.image == TokenRanges(image..<image + count) && sequence.visual == sequence.image)
    }
  }

  @Test("image tokens may be separate, and some without a cell")
  func apart() throws {
    let model = try loadModel(checkpoint("nested"))
    let pad = Qwen2VLImageProcessor.placeholder
    let cell = Cell(x0: 0, y0: 0, x1: 1, y1: 1)
    let layout = VisualLayout(
      views: [(.tile, ViewGrid(rows: 1, cols: 2)), (.wholeImage, ViewGrid(rows: 1, cols: 1))],
      cells: [cell, cell, nil, cell], text: "\(pad)\(pad)\n\(pad)\n\(pad)", patches: 4)
    let sequence = try model.sequence(prompt: "What?", description: "a dog", layout: layout)
    let first = sequence.image.positions[0]
    #expect(sequence.image.positions.map { $0 - first } == [0, 1, 3, 5])
    #expect(sequence.visual.positions.map { $0 - first } == [0, 1, 5])
    let plain = try model.sequence(prompt: "What?", description: "a dog", layout: .row(of: 4))
    #expect(sequence.caption == plain.caption.map { $0 + 2 } && sequence.captionSpans == plain.captionSpans)
  }

  @Test("a text without as many image tokens as the layout has is refused")
  func wrongCount() throws {
    let model = try loadModel(checkpoint("nested"))
    let layout = VisualLayout(
      views: [], cells: [nil, nil], text: Qwen2VLImageProcessor.placeholder, patches: 8, positions: .sequential)
    #expect(throws: ConfigurationError.self) { try model.question(prompt: "What?", layout: layout) }
  }

  @Test("of a run of image tokens the tokenizer sees one")
  func shortening() {
    func short(_ text: String) -> (String, [Int]) {
      let result = PromptTokenizer.shortening(text, runsOf: "<i>")
      return (result.text, result.runs)
    }
    #expect(short("") == ("", []) && short("é<i") == ("é<i", []))
    #expect(short("<i><i><i>") == ("<i>", [3]))
    #expect(short("<r><i><i>\n<i><<i><i>\n") == ("<r><i>\n<i><<i>\n", [2, 1, 2]))
  }

  @Test("the text that replaces the image moves everything after it")
  func replacing() {
    var chat = RenderedChat(text: "é<i>? a dog", image: 1..<4, description: 6..<11)
    chat.cuts = [5]
    let expanded = chat.replacingImage(with: "<i><i>")
    #expect(expanded.text == "é<i><i>? a dog" && expanded.image == 1..<7)
    #expect(expanded.description == 9..<14 && expanded.cuts == [8])
  }
}
