import ArgumentParser
import AttentionMaps
import Decoding
import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO
import Kernels
import RunSupport

struct Attend: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Draw where chosen heads look in an image, word by word.",
    discussion: """
      headimpact attend --model DIR --image photo.jpg --text "a brown dog" --head 14.3 --output heads
      headimpact attend --model DIR --image photo.jpg --generate --prompt "What is on the table?" --hi hi.h5 --output answer
      headimpact attend --model DIR --dataset keyobjects.json --images DIR --annotation 7 --hi hi.h5 --top 4 --output heads

      OUTPUT gets index.html, a page on which heads and words are chosen and looked at; one sheet per head (14.3.svg), one PNG \
      per word, and attention.csv.
      """)

  @OptionGroup var loaded: ModelOptions
  @Option(help: ArgumentHelp("An image: JPEG, PNG, WebP, TIFF, GIF or BMP.", valueName: "file"))
  var image: String?
  @Option(help: "The text whose attention is drawn (default for an annotation: its description).")
  var text: String?
  @Flag(help: "Draw the attention of the model's own answer to --prompt, token by token.")
  var generate = false
  @Option(help: ArgumentHelp("Maximum number of tokens of the answer.", valueName: "n"))
  var maxNewTokens = 64
  @Option(help: "Draw each word, or each token (default: word of a text, token of an answer).")
  var by: AttendConfiguration.Piece?
  @Option(
    help: ArgumentHelp(
      "A key-object dataset with the image and the object's mask, instead of --image.", valueName: "file"))
  var dataset: String?
  @Option(help: ArgumentHelp("The folder of the dataset's images.", valueName: "dir"))
  var images: String?
  @Option(help: ArgumentHelp("The id of the dataset's annotation.", valueName: "id"))
  var annotation: Int64?
  @Option(
    help: ArgumentHelp(
      "Heads, e.g. 14.3,17.0 (layer 14, head 3; layer 17, head 0); repeatable.", valueName: "layer.head"))
  var head: [CommaList<Selection.Head>] = []
  @Option(help: ArgumentHelp("The HDF5 file of a scoring run, whose best heads are drawn.", valueName: "file"))
  var hi: String?
  @Option(help: ArgumentHelp("How many of the best heads of --hi to draw.", valueName: "k"))
  var top = 4
  @OptionGroup var ranked: RankedMeasureOptions
  @OptionGroup var folder: OutputFolderOption
  @OptionGroup var replacing: OverwriteOption

  @Option(help: "The prompt.")
  var prompt = JobDefaults.prompt
  @OptionGroup var operands: PrecisionOption
  @OptionGroup var cells: CoverageOption
  @Option(help: "Read attention from each token's own row, or from the row that predicts it.")
  var query = HeadImpactOptions.Query.token
  @OptionGroup var rows: NormalizeOption
  @OptionGroup var shown: ViewsOption
  @Option(help: ArgumentHelp("Number of threads (default: the machine's cores).", valueName: "n"))
  var threads: Int?
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    guard !head.isEmpty || hi != nil else { throw ValidationError("Name the heads with --head or --hi.") }
    _ = try Judged.heads(head.flatMap(\.elements), "--head")
    try Judged.count(top, "--top")
    try Judged.prompt(prompt)
    try Judged.values { try configured(model: fileURL(loaded.folder.model), []).validateOptions() }
  }

  var dependences: [Dependence] {
    Dependence.ranking("top", of: hi) + [
      Dependence("max-new-tokens", need: "--generate", if: generate),
      Dependence("coverage", need: "an --annotation, which has a mask", if: annotation != nil),
    ]
  }

  func run() throws {
    let summary = try AttendJob(try attendConfiguration()).run()
    switch printing.format {
    case .table: print(Self.text(summary))
    case .json: print(try Self.json(summary))
    }
  }

  private static func text(_ summary: AttendJob.Summary) -> String {
    let hasMask = summary.heads.contains { $0.matched != nil }
    var rows = [["layer.head"] + (hasMask ? ["IoU (matched)", "chance"] : []) + ["highest score"]]
    rows += summary.heads.map { head in
      let agreement = (hasMask ? [head.matched, head.chance] : []).map { NumberText.number($0, decimals: 4) }
      return ["\(head.head)"] + agreement + [NumberText.plain(Double(head.highestScore))]
    }
    return """
      \(aligned(rows))

      \(summary.isGenerated ? "answer: \(summary.text)\n" : "")\(counted(summary.words, "word")), \(counted(summary.tokens, "token")), \(counted(summary.visualTokens, "visual token")) -> \(summary.output.path)/index.html
      """
  }

  private static func json(_ summary: AttendJob.Summary) throws -> String {
    struct Row: Encodable {
      let layer: Int
      let head: Int
      let matched: Double?
      let chance: Double?
      let highestScore: Float
    }
    struct Report: Encodable {
      let output: String
      let text: String
      let isGenerated: Bool
      let words: Int
      let tokens: Int
      let visualTokens: Int
      let heads: [Row]
    }
    return try jsonText(
      Report(
        output: summary.output.path, text: summary.text, isGenerated: summary.isGenerated, words: summary.words,
        tokens: summary.tokens, visualTokens: summary.visualTokens,
        heads: summary.heads.map {
          Row(
            layer: $0.head.layer, head: $0.head.head, matched: $0.matched, chance: $0.chance,
            highestScore: $0.highestScore)
        }))
  }

  private func subject() throws -> AttendConfiguration.Subject {
    switch (image, dataset, images, annotation) {
    case (let image?, nil, nil, nil): return .picture(fileURL(image))
    case (nil, let dataset?, let images?, let annotation?):
      return .annotation(annotation, dataset: fileURL(dataset), images: fileURL(images))
    default: throw ValidationError("Give --image, or --dataset, --images and --annotation.")
    }
  }

  private func said() throws -> AttendConfiguration.Text {
    switch (text, generate) {
    case (let text?, false): return .given(text)
    case (nil, true):
      var decoding = DecodingOptions()
      decoding.maxNewTokens = maxNewTokens
      return .generated(decoding)
    case (nil, false) where image == nil: return .description
    default: throw ValidationError("Give --text, what is said of the image, or --generate, and the model says it.")
    }
  }

  private func attendConfiguration() throws -> AttendConfiguration {
    let named = head.flatMap(\.elements)
    var heads = named
    var scoredModelSHA256: String?
    if let hi {
      let contents = try HeadImpactFile.read(fileURL(hi))
      scoredModelSHA256 = contents.modelSHA256
      heads += try Selection.heads(of: contents.table, strategy: .top, measure: ranked.value, count: top)
        .filter { !named.contains($0) }
    }
    var c = try configured(model: try loaded.folder.url, heads)
    c.scoredModelSHA256 = scoredModelSHA256
    return c
  }

  private func configured(model: URL, _ heads: [Selection.Head]) throws -> AttendConfiguration {
    var c = AttendConfiguration(
      model: model, subject: try subject(), text: try said(), heads: heads, output: folder.url)
    c.adapter = loaded.adapter.map(fileURL)
    c.input = loaded.input.options
    c.prompt = prompt
    c.precision = operands.precision
    c.options.coverage = cells.coverage
    c.options.query = query
    c.options.normalize = rows.normalize
    c.options.views = shown.views
    c.piece = by
    c.overwrites = replacing.overwrite
    c.threads = threads
    return c
  }
}

extension AttendConfiguration.Piece: ExpressibleByArgument {}
