import ArgumentParser
import Foundation
import Grounding
import IO
import Jobs
import RunSupport
import Scoring
import VisionLanguage

/// How a run goes that measures chosen heads on a dataset.
struct MeasuringOptions: ParsableArguments {
  @OptionGroup var asking: PromptOption
  @OptionGroup var first: ExampleLimitOption
  @OptionGroup var intervals: BootstrapOptions
  @OptionGroup var running: RunOptions
  @OptionGroup var skipping: SkipOptions
  @Flag(help: "If images or texts can't be used, list them all and stop, instead of skipping them.")
  var strict = false
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions
}

/// The configuration of such a run.
protocol MeasuringConfiguration: UnitJobConfiguration {
  var adapter: URL? { get set }
  var input: InputOptions { get set }
  var scoredModelSHA256: String? { get set }
  var chosenBy: URL? { get set }
  var prompt: String { get set }
  var limit: Int? { get set }
  var bootstrapResamples: Int { get set }
  var seed: UInt64 { get set }
}

extension AblateConfiguration: MeasuringConfiguration {}
extension GroundConfiguration: MeasuringConfiguration {}

extension MeasuringConfiguration {
  /// Takes what both commands are asked for.
  ///
  /// - Parameters:
  ///   - file: which the heads were chosen by; nil if there is none.
  ///   - scored: `model_sha256` of the model that they were chosen for; nil if it isn't known.
  mutating func take(_ loaded: ModelOptions, chosenBy file: String?, scored: String?, _ options: MeasuringOptions) {
    adapter = loaded.adapter.map(fileURL)
    input = loaded.input.options
    chosenBy = file.map(fileURL)
    scoredModelSHA256 = scored
    prompt = options.asking.prompt
    limit = options.first.limit
    bootstrapResamples = options.intervals.bootstrap
    seed = options.intervals.seed
    take(options.running, options.skipping, isStrict: options.strict, options.printing)
  }
}
