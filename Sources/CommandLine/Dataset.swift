import ArgumentParser
import Foundation
import Generation
import IO
import Jobs
import Kernels
import KeyObjects
import MessagePassing
import RunSupport
import VisionLanguage

struct Dataset: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Build a key-object dataset from COCO files, preview it, check it.",
    subcommands: [DatasetBuild.self, DatasetPreviewCommand.self, DatasetCheckCommand.self])
}

struct DatasetBuild: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Choose key objects from COCO's instances and describe each, from its image's captions or with a model.",
    discussion: """
      headimpact dataset build --instances instances_val2017.json --captions captions_val2017.json --images val2017 \
      --output keyobjects.json

      With --describe model, --model is shown each object alone, as in generate --objects; mpirun -np N then shares the \
      work. Crowds are never used. The rules are recorded in info.key_object_rules of the output. With --split, OUTPUT names \
      three files: keyobjects-train.json, keyobjects-validation.json, keyobjects-test.json.
      """)

  @Option(help: ArgumentHelp("A COCO instances file.", valueName: "file"))
  var instances: String
  @Option(help: ArgumentHelp("The COCO captions file of the same images.", valueName: "file"))
  var captions: String?
  @Option(help: ArgumentHelp("The folder of the images.", valueName: "dir"))
  var images: String
  @Option(help: ArgumentHelp("The output file.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("A model folder; determines which visual tokens an object covers.", valueName: "dir"))
  var model: String?
  @OptionGroup var input: InputArguments
  @Option(help: ArgumentHelp("Minimum share of the image's area that an object covers.", valueName: "share"))
  var minArea = 0.05
  @Option(help: ArgumentHelp("Maximum share of the image's area that an object covers.", valueName: "share"))
  var maxArea = 0.6
  @Option(
    help: ArgumentHelp("Minimum number of visual tokens that an object covers; applies with --model.", valueName: "n"))
  var minTokens = 2
  @Option(help: ArgumentHelp("Maximum number of objects per image.", valueName: "n"))
  var perImage = 1
  @Option(
    help:
      "Which objects of an image to prefer: the largest; those the captions mention, then the largest; the most central."
  )
  var choose = KeyObjectRules.Choose.mentioned
  @Option(
    help: ArgumentHelp("Categories to use, e.g. \"dog,cat,hot dog\"; repeatable (default: all).", valueName: "names"))
  var categories: [String] = []
  @Option(
    help: ArgumentHelp(
      "Categories to leave out, e.g. \"dining table\", whose mask covers the food; repeatable.", valueName: "names"))
  var exclude: [String] = []
  @Flag(
    inversion: .prefixedNo,
    help:
      "Leave out an object that shares its image with others of its category, unless its description tells them apart.")
  var unique = true
  @Flag(help: "Leave out an object whose category no caption of its image names.")
  var requireMention = false
  @Option(help: ArgumentHelp("Maximum number of objects per category, drawn with --seed.", valueName: "n"))
  var balance: Int?
  @Option(help: "Where descriptions come from; the category's name is the fallback for captions.")
  var describe = ObjectDescription.Source.caption
  @Option(
    help: "What the describing model is shown: the object's bounding box, or the whole image, grey around the object.")
  var objects = ObjectView.crop
  @Option(help: "The prompt for the describing model.")
  var prompt = JobDefaults.prompt
  @Option(help: "The type of that model's matrix-product operands.")
  var precision = Precision.bf16
  @OptionGroup var threads: ThreadsOption
  @Flag(help: "Continue an interrupted run with --describe model.")
  var resume = false
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var salvage: SalvageOption
  @OptionGroup var skipping: SkipOptions
  @Option(
    help: ArgumentHelp(
      "Divide the images into training, validation and test sets, e.g. 0.8,0.1,0.1.", valueName: "shares"))
  var split: String?
  @Option(help: "Seed of --split and --balance.")
  var seed: UInt64 = 0
  @Flag(help: "If records or objects can't be used, list them all and stop, instead of leaving them out.")
  var strict = false
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    try replacing.validate(resumes: resume)
    try Judged.prompt(prompt)
    _ = try Judged.values(rules)
  }

  var dependences: [Dependence] {
    [
      Dependence("min-tokens", "chat-template", "system", "resize", need: "--model", if: model != nil),
      Dependence(
        "objects", "prompt", "precision", "threads", "salvage", "allow-skips", need: "--describe model",
        if: describe == .model), .salvage(resumes: resume),
    ]
  }

  /// - Throws: `KeyObjectError` naming the option and what it may be.
  private func rules() throws -> KeyObjectRules {
    var rules = KeyObjectRules()
    rules.minArea = minArea
    rules.maxArea = maxArea
    rules.minTokens = minTokens
    rules.perImage = perImage
    rules.choose = choose
    rules.categories = names(categories)
    rules.excluded = names(exclude)
    rules.unique = unique
    rules.requireMention = requireMention
    rules.balance = balance
    rules.describe = describe
    rules.split = try split.map { try DatasetSplit($0) }
    rules.seed = seed
    try rules.validate(hasCaptions: captions != nil, hasModel: model != nil)
    return rules
  }

  /// The names of comma lists.
  private func names(_ lists: [String]) -> [String] {
    lists.flatMap(TypedOptions.parts).filter { !$0.isEmpty }
  }

  func run() throws {
    var c = DatasetBuildConfiguration(instances: fileURL(instances), images: fileURL(images), output: fileURL(output))
    c.captions = captions.map(fileURL)
    c.model = try model.map { try HubCache().model($0) }
    c.input = input.options
    c.rules = try rules()
    c.isStrict = strict
    c.isQuiet = printing.quiet
    c.describing = DatasetBuildConfiguration.Describing(
      objects: objects.rawValue, prompt: prompt, precision: precision.rawValue)
    c.resumes = resume
    c.overwrites = replacing.overwrite
    let build = SharedDatasetBuild(DatasetBuilder(c), describer: describe == .model ? describer(c) : nil)
    let summary = try Communicator.withStoppableWorld(silence: waiting.rules) { try build.run(on: $0) }
    guard let summary else { return }
    switch printing.format {
    case .json: print(try jsonText(summary))
    case .table:
      let state = summary.isNew ? "" : "; it was already finished"
      for output in summary.outputs {
        print("\(counted(output.objects, "object")) of \(counted(output.images, "image")) -> \(output.path)\(state)")
      }
      guard summary.isNew else { return }
      print(
        aligned(
          [["objects", "count"], ["examined", "\(summary.examined)"]]
            + summary.leftOut.map { ["left out: \($0.name)", "\($0.objects)"] }
            + (summary.imagesWithoutCaption.map { [["images without a caption", "\($0)"]] } ?? [])
            + summary.descriptions.map { ["described by: \($0.name)", "\($0.objects)"] }
            + summary.categories.prefix(12).map { ["of category: \($0.name)", "\($0.objects)"] }))
      if summary.categories.count > 12 { print("… of \(summary.categories.count) categories") }
    }
    if let skips = summary.skips { try skipping.check(skips) }
  }

  /// Options for describing each object alone with a model, as in `generate --objects`.
  private func describer(_ build: DatasetBuildConfiguration) -> GenerateConfiguration? {
    // The build does not start without it.
    guard let model = build.model else { return nil }
    let builder = DatasetBuilder(build)
    var c = GenerateConfiguration(
      model: model, dataset: builder.draft, images: build.images, output: builder.described)
    c.input = build.input
    c.objects = objects
    c.prompt = prompt
    c.precision = precision
    c.resumes = resume
    c.salvages = salvage.salvage
    c.take(threads: threads, skipping, isStrict: strict, printing)
    return c
  }
}

struct DatasetPreviewCommand: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    commandName: "preview",
    abstract: "Show samples: the image, the object, and the visual tokens it covers.",
    discussion: "OUTPUT gets index.html, contact sheets (sheet-001.png, …) and one image per sample.")

  @OptionGroup var samples: KeyObjectDatasetOptions
  @Option(help: ArgumentHelp("A model folder; determines the visual tokens.", valueName: "dir"))
  var model: String?
  @OptionGroup var chatTemplate: ChatTemplateOption
  @OptionGroup var folder: OutputFolderOption
  @Option(help: ArgumentHelp("Show only the first samples, by annotation id.", valueName: "n"))
  var limit = 64
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var printing: PrintOptions

  func validate() throws { try Judged.limit(limit) }

  var dependences: [Dependence] { [Dependence("chat-template", need: "--model", if: model != nil)] }

  func run() throws {
    let summary = try DatasetPreview(
      dataset: samples.datasetURL, images: samples.imagesURL, model: try model.map { try HubCache().model($0) },
      input: InputOptions(chatTemplate: chatTemplate.url), output: folder.url, limit: limit,
      overwrites: replacing.overwrite, isQuiet: printing.quiet
    ).run()
    switch printing.format {
    case .json: print(try jsonText(summary))
    case .table:
      for reason in summary.skipped { print("not shown: \(reason)") }
      print("\(counted(summary.samples, "sample")) -> \(summary.output)/index.html")
    }
  }
}

struct DatasetCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check every record, file, size, mask and description, and list the problems.",
    discussion: "The exit code is 1 if there is any.")

  @OptionGroup var samples: KeyObjectDatasetOptions
  @OptionGroup var printing: PrintOptions

  func run() throws {
    let report = try DatasetCheck(dataset: samples.datasetURL, images: samples.imagesURL).run(isQuiet: printing.quiet)
    switch printing.format {
    case .json: print(try jsonText(report))
    case .table:
      if !report.findings.isEmpty {
        print(
          aligned(
            [["what", "where", "problem"]] + report.findings.map { [$0.kind.rawValue, $0.subject, $0.problem] }))
      }
      let state = report.findings.isEmpty ? "no problems found" : "\(counted(report.findings.count, "problem")) found"
      print("\(counted(report.annotations, "annotation")) of \(counted(report.images, "image")): \(state)")
      if let warning = TurnedPictures.warning(count: report.turned) { print("warning: \(warning)") }
    }
    if !report.findings.isEmpty { throw ExitCode.failure }
  }
}

extension KeyObjectRules.Choose: ExpressibleByArgument {}
extension ObjectDescription.Source: ExpressibleByArgument {}
