import HeadImpact
import IO
import ImageInput
import Kernels
import LowRankAdaptation
import RunSupport
import Transformer
import VisionLanguage

/// What an experiment's YAML file asks for, with every default filled in.
///
/// Paths are as on a command line: from the folder that the program was started in.
public struct ExperimentConfiguration: Sendable, Equatable {
  /// The folder that everything goes to.
  public var output: String
  /// Makes the bundled model and drawn scenes in the folder, and uses them wherever no other model or data is given.
  public var demonstration: Demonstration?
  public var model: String
  /// Takes the place of the model folder's chat template.
  public var chatTemplate: String?
  /// The text of a system's turn before the user's; nil for no such turn.
  public var system: String?
  /// Whose resize images go through.
  public var resize = Resizing.torchvision
  public var precision = Precision.bf16
  /// Of every step.
  public var prompt = JobDefaults.prompt
  /// Prompts with which Head Impact is measured too, to see whether it ranks the heads as with the first.
  public var otherPrompts: [String] = []
  public var seed = 0
  public var threads: Int?
  /// Share of a step's samples that may be skipped; if more are, the experiment stops.
  public var allowSkips = SkipCounts.defaultAllowed
  public var score: Score
  public var select = Select()
  public var train = Train()
  /// What the arms are trained and tested on, one after the other.
  public var tasks: [TaskData]
  public var arms: [Arm]
  public var generate = Generate()
  public var evaluate = Evaluate()
  public var ablate: Ablate?
  /// Arms whose Head Impact is measured again after training.
  public var scoreAfter: [Arm] = []

  /// How the model is shown images and texts.
  var input: InputOptions { InputOptions(chatTemplate: chatTemplate.map(fileURL), system: system, resizing: resize) }

  public struct Demonstration: Sendable, Equatable {
    /// Scenes to train on, and to test and to score on.
    public var trainScenes = 256
    public var testScenes = 64
    /// Trains the arms on new colour names and another sentence form, which the model doesn't know.
    public var shifted = true
  }

  /// A dataset and its images.
  public struct Source: Sendable, Equatable {
    public var dataset: String
    /// The answers of a VQA v2 question file.
    public var annotations: String?
    public var images: String
    public var limit: Int?
  }

  public struct Score: Sendable, Equatable {
    public var source: Source
    public var options = HeadImpactOptions()
  }

  public struct Select: Sendable, Equatable {
    /// By which layers and heads are ranked.
    public var ranked = RankedMeasure.matched
    public var layers = 3
    /// Of the arm `top-heads`, and of the report's marks.
    public var heads = 12
  }

  public struct TaskData: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
      case captions
      case questions
    }

    public var kind: Kind
    public var train: Source
    public var test: Source
    /// Captions to compare with; those of the test set by default.
    public var references: String?
  }

  public struct Train: Sendable, Equatable {
    public var epochs = 1
    /// Instead of epochs.
    public var steps: Int?
    public var batch = 8
    public var microBatch = 1
    public var learningRate = 1e-4
    public var schedule = LearningRateSchedule.Shape.constant
    public var warmup = 0
    public var clip = 1.0
    public var weightDecay = 0.0
    public var loraRank = 8
    public var loraAlpha: Double = 16
    public var dropout = 0.0
    public var targets: [Projection] = [.query, .key, .value, .output]
    public var validationShare = 0.0
    public var cacheMemoryMB = 2048
    public var cacheFolder: String?
    public var salvageFolder: String?
    /// Each arm is trained once with each; none for once with the experiment's own.
    public var seeds: [Int] = []
  }

  /// The seeds that each arm is trained with, at least one.
  public var trainingSeeds: [Int] { train.seeds.isEmpty ? [seed] : train.seeds }

  public struct Generate: Sendable, Equatable {
    public var maxNewTokens = 64
    public var beams = 1
    /// nil for the value of the model's generation_config.json.
    public var repetitionPenalty: Double?
    /// Pictures whose texts are decoded together. No text depends on it.
    public var batch = 16
  }

  public struct Evaluate: Sendable, Equatable {
    public var resamples = 1000
  }

  public struct Ablate: Sendable, Equatable {
    public var source: Source
    /// How many heads at a time.
    public var heads = [12]
    public var seeds: [Int] = [0, 1, 2]
  }
}
