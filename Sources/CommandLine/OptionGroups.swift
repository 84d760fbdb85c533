import ArgumentParser
import Foundation
import HeadImpact
import IO
import ImageInput
import Jobs
import Kernels
import MessagePassing
import RunSupport
import VisionLanguage

/// A replacement for the model folder's chat template.
struct ChatTemplateOption: ParsableArguments {
  @Option(
    name: .customLong("chat-template"),
    help: ArgumentHelp(
      "A chat template (Jinja, or JSON with chat_template) instead of the model folder's own.", valueName: "file"))
  var file: String?

  var url: URL? { file.map(fileURL) }
}

/// What the model is told before the user's turn.
struct SystemOption: ParsableArguments {
  @Option(
    help: ArgumentHelp("The text of a system's turn before the user's (default: no such turn).", valueName: "text"))
  var system: String?
}

/// How a model is shown images and texts.
struct InputArguments: ParsableArguments {
  @OptionGroup var chatTemplate: ChatTemplateOption
  @OptionGroup var told: SystemOption
  @Option(help: "Resize images as torchvision or as Pillow 13 does.")
  var resize = Resizing.torchvision

  var options: InputOptions { InputOptions(chatTemplate: chatTemplate.url, system: told.system, resizing: resize) }
}

/// The model that a command runs.
struct ModelOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A model folder as published on the Hugging Face Hub, or ORG/NAME of a model in the Hub's cache.",
      valueName: "dir"))
  var model: String

  /// - Throws: `UnknownModel`.
  var url: URL { get throws { try HubCache().model(model) } }
}

/// The same with an adapter.
struct ModelOptions: ParsableArguments {
  @OptionGroup var folder: ModelOption
  @Option(help: ArgumentHelp("A PEFT adapter to apply to the model.", valueName: "dir"))
  var adapter: String?
  @OptionGroup var input: InputArguments
}

/// By what heads and layers are ranked.
struct RankedMeasureOptions: ParsableArguments {
  @Option(help: "The measure by which HI is ranked.")
  var measure = Measure.matched
  @Flag(help: "Rank by HI corrected for chance: (value - chance) / (1 - chance) of each sample.")
  var corrected = false

  var value: RankedMeasure { RankedMeasure(measure, isCorrected: corrected) }
}

/// Where the images of a dataset lie.
struct ImagesOption: ParsableArguments {
  @Option(help: ArgumentHelp("The folder of the dataset's images.", valueName: "dir"))
  var images: String

  var url: URL { fileURL(images) }
}

/// The same, and the answers of a dataset of questions.
struct AnswersAndImagesOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The answers of a VQA v2 question file.", valueName: "file"))
  var annotations: String?
  @OptionGroup var images: ImagesOption

  var answersURL: URL? { annotations.map(fileURL) }
}

/// A key-object dataset and its images, for commands that run no model over them.
struct KeyObjectDatasetOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A key-object dataset.", valueName: "file"))
  var dataset: String
  @Option(help: ArgumentHelp("The folder of its images.", valueName: "dir"))
  var images: String

  var datasetURL: URL { fileURL(dataset) }
  var imagesURL: URL { fileURL(images) }
}

/// What a model is asked about images that come without questions.
struct PromptOption: ParsableArguments {
  @Option(help: "The prompt for each image that has no question of its own.")
  var prompt = JobDefaults.prompt

  func validate() throws { try Judged.prompt(prompt) }
}

struct ExampleLimitOption: ParsableArguments {
  @Option(help: ArgumentHelp("Use only the first examples, by id.", valueName: "n"))
  var limit: Int?

  func validate() throws { try Judged.limit(limit) }
}

struct PrecisionOption: ParsableArguments {
  @Option(help: "The type of matrix-product operands; everything else is float32.")
  var precision = Precision.bf16
}

struct ThreadsOption: ParsableArguments {
  @Option(help: ArgumentHelp("Threads per rank (default: its share of the cores available to it).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    try Judged.threads(threads)
  }
}

struct SalvageOption: ParsableArguments {
  @Flag(help: "With --resume, keep the intact records of a damaged journal and redo the others.")
  var salvage = false
}

/// Options of a run that keeps a journal.
struct RunOptions: ParsableArguments {
  @OptionGroup var operands: PrecisionOption
  @OptionGroup var threads: ThreadsOption
  @Flag(help: "Continue from the journal of an interrupted run.")
  var resume = false
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var salvage: SalvageOption

  func validate() throws { try replacing.validate(resumes: resume) }
}

struct CoverageOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A visual token belongs to the object if the mask covers more than this share of its cell.", valueName: "share"))
  var coverage = 0.5
}

struct ViewsOption: ParsableArguments {
  @Option(help: "Which views' tokens count, if the family shows an image as tiles and as a whole.")
  var views = HeadImpactOptions.Views.all
}

struct NormalizeOption: ParsableArguments {
  @Option(help: "Use attention rows unchanged, or normalise each to sum to 1 over the visual tokens.")
  var normalize = HeadImpactOptions.Normalize.none
}

/// The bootstrap over images that a run ends with.
struct BootstrapOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Resamples of the bootstrap over images.", valueName: "n"))
  var bootstrap = 1000
  @Option(help: "Seed of the bootstrap.")
  var seed: UInt64 = 0

  func validate() throws {
    guard Bootstrap.resampleCounts.contains(bootstrap) else {
      throw ValidationError("--bootstrap is \(bootstrap); it must be in \(Bootstrap.resampleCounts).")
    }
  }
}

/// The folder that a command makes.
struct OutputFolderOption: ParsableArguments {
  @Option(help: ArgumentHelp("The output folder.", valueName: "dir"))
  var output: String

  var url: URL { fileURL(output) }
}

/// Whether an output that is there already may be replaced.
struct OverwriteOption: ParsableArguments {
  @Flag(help: "Replace an output that this command made before.")
  var overwrite = false

  /// - Throws: `ValidationError` if both are asked for.
  func validate(resumes: Bool) throws {
    guard resumes, overwrite else { return }
    throw ValidationError("--resume continues the output and --overwrite replaces it: give one of them.")
  }
}

/// How many samples a run may skip.
struct SkipOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Share of the samples that may be skipped; if more are, the output is written and the exit code is 2.",
      valueName: "share"))
  var allowSkips = SkipCounts.defaultAllowed

  /// - Throws: exit code 2 if more samples were skipped.
  func check(_ skips: SkipCounts) throws {
    if skips.exceed(allowSkips) { throw ExitCode(2) }
  }

  func validate() throws {
    guard (0...1).contains(allowSkips) else {
      throw ValidationError("--allow-skips is \(allowSkips); it must be a share from 0 to 1.")
    }
  }
}

struct FormatOption: ParsableArguments {
  @Option(help: "The format of the printed result.")
  var format = OutputFormat.table
}

/// How long the ranks of a run wait for each other.
struct SilenceOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "End the run with exit code 75 if a rank gives no sign of life for this long (0: never).", valueName: "seconds"))
  var silenceLimit = Int(SilenceRules.standard.limit ?? 0)

  var rules: SilenceRules { SilenceRules(limit: silenceLimit == 0 ? nil : Double(silenceLimit)) }

  func validate() throws {
    guard silenceLimit == 0 || silenceLimit >= 10 else {
      throw ValidationError("--silence-limit is \(silenceLimit); it must be 0 or at least 10 seconds.")
    }
  }
}

/// For commands that print one line or none.
struct QuietOption: ParsableArguments {
  @Flag(help: "No progress, only warnings and the result.")
  var quiet = false
}

/// What a run prints.
struct PrintOptions: ParsableArguments {
  @Flag(help: "No progress, only warnings and the result.")
  var quiet = false
  @OptionGroup var result: FormatOption

  var format: OutputFormat { result.format }
}

extension JobConfiguration {
  /// Takes what every command that runs a job is asked for.
  mutating func take(threads: ThreadsOption, _ skipping: SkipOptions, isStrict: Bool, _ printing: PrintOptions) {
    self.threads = threads.threads
    allowedSkips = skipping.allowSkips
    self.isStrict = isStrict
    isQuiet = printing.quiet
  }
}

extension UnitJobConfiguration {
  /// Takes what every command that runs a job of units is asked for.
  mutating func take(_ running: RunOptions, _ skipping: SkipOptions, isStrict: Bool, _ printing: PrintOptions) {
    take(threads: running.threads, skipping, isStrict: isStrict, printing)
    precision = running.operands.precision
    resumes = running.resume
    overwrites = running.replacing.overwrite
    salvages = running.salvage.salvage
  }
}

/// Values that several commands judge, before anything else begins: wrong ones are wrong usage (exit code 64).
enum Judged {
  /// What a library says of values is said as of wrong usage.
  static func values<Result>(_ judge: () throws -> Result) throws -> Result {
    do { return try judge() } catch { throw ValidationError("\(error)") }
  }

  static func limit(_ limit: Int?) throws { try count(limit, "--limit") }

  static func threads(_ threads: Int?) throws { try count(threads, "--threads", atMost: 4096) }

  /// - Parameters:
  ///   - value: nil if the option wasn't given.
  ///   - most: nil where only the files say it.
  static func count(_ value: Int?, _ option: String, atLeast least: Int = 1, atMost most: Int? = nil) throws {
    guard let value, value < least || value > most ?? .max else { return }
    let range = most.map { "in \(least)...\($0)" } ?? "at least \(least)"
    throw ValidationError("\(option) is \(value); it must be \(range).")
  }

  /// - Returns: the heads of a comma list, at least one, none twice.
  static func heads(_ heads: [Selection.Head], _ option: String) throws -> [Selection.Head] {
    guard let twice = heads.first(where: { head in heads.count { $0 == head } > 1 }) else { return heads }
    throw ValidationError("\(option): head \(twice) is named twice.")
  }

  /// - Returns: the parts of a comma list, at least one.
  static func parts(_ list: String, _ option: String, such example: String) throws -> [String] {
    let parts = TypedOptions.parts(list)
    guard !parts.isEmpty else { throw ValidationError("\(option) is empty; write e.g. \(example).") }
    return parts
  }

  /// - Throws: `ValidationError` if a path comes twice, or a link and what it leads to.
  static func different(_ files: [String], for command: String) throws {
    // As bytes: names that Swift takes for equal can be of two files.
    var places: Set<[UInt8]> = []
    for file in files where !places.insert(Array(fileURL(file).place.utf8)).inserted {
      throw ValidationError("\(file) is named twice; \(command) takes different files.")
    }
  }

  /// Whether two paths lead to one place.
  static func isSame(_ one: String, _ other: String) -> Bool {
    fileURL(one).place.utf8.elementsEqual(fileURL(other).place.utf8)
  }

  static func prompt(_ prompt: String) throws {
    guard !prompt.allSatisfy(\.isWhitespace) else {
      throw ValidationError("--prompt is empty; leave it out for \"\(JobDefaults.prompt)\".")
    }
  }
}
