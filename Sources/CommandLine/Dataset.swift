import IO
import ArgumentParser
import Foundation
import Generation
import Kernels
import KeyObjects
import MessagePassing
import RunSupport

struct Dataset: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Build a key-object dataset from COCO files, show it as pictures, check it.",
    subcommands: [DatasetBuild.self, DatasetPreviewCommand.self, DatasetCheckCommand.self])
}

struct DatasetBuild: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Choose key objects from COCO's instances and describe each, by its image's captions or by a model.",
    discussion: """
      headimpact dataset build --instances instances_val2017.json --captions captions_val2017.json --images val2017 \
      --output keyobjects.json

      With --describe model, --model is shown each object by itself, as generate --objects does; then mpirun -np N shares the \
      work. Crowds are never taken. The rules are written into info.key_object_rules of the output. With --split, OUTPUT names \
      three files: keyobjects-train.json, keyobjects-validation.json, keyobjects-test.json.
      """)

  @Option(help: ArgumentHelp("A COCO instances file.", valueName: "file"))
  var instances: String
  @Option(help: ArgumentHelp("The COCO captions file of the same images.", valueName: "file"))
  var captions: String?
  @Option(help: ArgumentHelp("The folder of the images.", valueName: "dir"))
  var images: String
  @Option(help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("A model folder: says which visual tokens an object covers.", valueName: "dir"))
  var model: String?
  @OptionGroup var chatTemplate: ChatTemplateOption
  @Option(help: ArgumentHelp("The least share of its image that an object covers.", valueName: "share"))
  var minArea = 0.05
  @Option(help: ArgumentHelp("The largest share of its image that an object covers.", valueName: "share"))
  var maxArea = 0.6
  @Option(help: ArgumentHelp("Visual tokens that an object covers at least, where --model is given.", valueName: "n"))
  var minTokens = 2
  @Option(help: ArgumentHelp("Objects of one image at most.", valueName: "n"))
  var perImage = 1
  @Option(
    help:
      "Which objects of an image come first: the largest; those that captions mention, then the largest; the most central."
  )
  var choose = KeyObjectRules.Choose.mentioned
  @Option(help: ArgumentHelp("Categories to take, as \"dog,cat,hot dog\" (default: all).", valueName: "names"))
  var categories: String?
  @Option(help: ArgumentHelp("Objects of one category at most, drawn by --seed.", valueName: "n"))
  var balance: Int?
  @Option(help: "Where descriptions come from; where captions have none, it is the category's name.")
  var describe = ObjectDescription.Source.caption
  @Option(help: "What a model that describes is shown: the object's rectangle, or the picture grey around the object.")
  var objects = ObjectView.crop
  @Option(help: "What a model that describes is asked.")
  var prompt = JobDefaults.prompt
  @Option(help: "The type of the operands of that model's matrix products.")
  var precision = Precision.bf16
  @Option(help: ArgumentHelp("Threads of each rank (default: its part of the cores that it may use).", valueName: "n"))
  var threads: Int?
  @Flag(help: "Go on where a run with --describe model was stopped.")
  var resume = false
  @Flag(help: "With --resume, go on with what is whole of a journal that is damaged.")
  var salvage = false
  @OptionGroup var skipping: SkipOptions
  @Option(
    help: ArgumentHelp("Divide images among training, validation and test, as 0.8,0.1,0.1.", valueName: "shares"))
  var split: String?
  @Option(help: "Seed of --split and --balance.")
  var seed: UInt64 = 0
  @Flag(help: "Refuse, naming all of them, where records or objects can't be used, instead of leaving them out.")
  var strict = false
  @OptionGroup var printing: PrintOptions

  func run() throws {
    var c = DatasetBuildConfiguration(instances: fileURL(instances), images: fileURL(images), output: fileURL(output))
    c.captions = captions.map(fileURL)
    c.model = model.map(fileURL)
    c.chatTemplate = chatTemplate.url
    c.rules.minArea = minArea
    c.rules.maxArea = maxArea
    c.rules.minTokens = minTokens
    c.rules.perImage = perImage
    c.rules.choose = choose
    c.rules.categories = (categories ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    c.rules.balance = balance
    c.rules.describe = describe
    c.rules.split = try split.map { try DatasetSplit($0) }
    c.rules.seed = seed
    c.isStrict = strict
    c.isQuiet = printing.quiet
    c.describing = DatasetBuildConfiguration.Describing(
      objects: objects.rawValue, prompt: prompt, precision: precision.rawValue)
    c.resumes = resume
    let build = SharedDatasetBuild(DatasetBuilder(c), describer: describe == .model ? describer(c) : nil)
    let summary = try Communicator.withWorld { try build.run(on: $0) }
    guard let summary else { return }
    switch printing.format {
    case .json: print(try jsonText(summary))
    case .table:
      let state = summary.isNew ? "" : "; it was finished already"
      for output in summary.outputs {
        print("\(output.objects) objects of \(output.images) images -> \(output.path)\(state)")
      }
      guard summary.isNew else { return }
      print(
        aligned(
          [["objects", "count"], ["examined", "\(summary.examined)"]]
            + summary.leftOut.map { ["left out: \($0.name)", "\($0.objects)"] }
            + summary.descriptions.map { ["described by: \($0.name)", "\($0.objects)"] }
            + summary.categories.prefix(12).map { ["of category: \($0.name)", "\($0.objects)"] }))
      if summary.categories.count > 12 { print("… of \(summary.categories.count) categories") }
    }
    if let skips = summary.skips { try skipping.check(skips) }
  }

  /// What lets the model describe each object by itself, as `generate --objects` does.
  private func describer(_ build: DatasetBuildConfiguration) -> GenerateConfiguration? {
    // The build refuses to begin without.
    guard let model = build.model else { return nil }
    let builder = DatasetBuilder(build)
    var c = GenerateConfiguration(
      model: model, dataset: builder.draft, images: build.images, output: builder.described)
    c.chatTemplate = build.chatTemplate
    c.objects = objects
    c.prompt = prompt
    c.precision = precision
    c.threads = threads
    c.resumes = resume
    c.salvages = salvage
    c.allowedSkips = skipping.allowSkips
    c.isStrict = strict
    c.isQuiet = printing.quiet
    return c
  }
}

struct DatasetPreviewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "preview",
    abstract: "Show samples as pictures: image, object, and the object as a model's visual tokens.",
    discussion: "OUTPUT has index.html, contact sheets (sheet-001.png, …) and a picture of each sample.")

  @Option(help: ArgumentHelp("A key-object dataset.", valueName: "file"))
  var dataset: String
  @Option(help: ArgumentHelp("The folder of its images.", valueName: "dir"))
  var images: String
  @Option(help: ArgumentHelp("A model folder: says what the visual tokens are.", valueName: "dir"))
  var model: String?
  @OptionGroup var chatTemplate: ChatTemplateOption
  @Option(help: ArgumentHelp("The folder to make.", valueName: "dir"))
  var output: String
  @Option(help: ArgumentHelp("Show only the first samples, by annotation id.", valueName: "n"))
  var limit = 64
  @Option(help: "How the result is printed.")
  var format = OutputFormat.table

  func run() throws {
    let summary = try DatasetPreview(
      dataset: fileURL(dataset), images: fileURL(images), model: model.map(fileURL),
      chatTemplate: chatTemplate.url, output: fileURL(output), limit: limit
    ).run()
    switch format {
    case .json: print(try jsonText(summary))
    case .table:
      for reason in summary.skipped { print("not shown: \(reason)") }
      print("\(summary.samples) samples -> \(summary.output)/index.html")
    }
  }
}

struct DatasetCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Look at every record, file, size, mask and description, and list what is wrong.",
    discussion: "Exit code 1 where anything is.")

  @Option(help: ArgumentHelp("A key-object dataset.", valueName: "file"))
  var dataset: String
  @Option(help: ArgumentHelp("The folder of its images.", valueName: "dir"))
  var images: String
  @Flag(help: "No progress, only the result.")
  var quiet = false
  @Option(help: "How the result is printed.")
  var format = OutputFormat.table

  func run() throws {
    let report = try DatasetCheck(dataset: fileURL(dataset), images: fileURL(images)).run(isQuiet: quiet)
    switch format {
    case .json: print(try jsonText(report))
    case .table:
      if !report.findings.isEmpty {
        print(
          aligned(
            [["what", "where", "problem"]] + report.findings.map { [$0.kind.rawValue, $0.subject, $0.problem] }))
      }
      let state = report.findings.isEmpty ? "nothing is wrong" : "\(report.findings.count) things are wrong"
      print("\(report.annotations) annotations of \(report.images) images: \(state)")
      if let warning = TurnedPictures.warning(count: report.turned) { print("warning: \(warning)") }
    }
    if !report.findings.isEmpty { throw ExitCode.failure }
  }
}

extension KeyObjectRules.Choose: ExpressibleByArgument {}
extension ObjectDescription.Source: ExpressibleByArgument {}
