import HeadImpact

/// What an experiment found, in plain values: which layers were trained, and what that changed.
public struct ExperimentSummary: Sendable {
  /// One way of choosing what is trained, on the same data, order and budget as the others.
  public struct Arm: Sendable {
    public enum Kind: String, Sendable, CaseIterable {
      /// Not trained: what the others are compared with.
      case pretrained
      case top
      case bottom
      case random
      /// Every layer.
      case all
      case other
    }

    /// Unique in the experiment: "random 2".
    public var name: String
    public var kind: Kind
    /// Adapted layers, from 0.
    public var layers: [Int]
    /// Adapted heads; empty if whole layers are.
    public var heads: [Selection.Head]
    public var trainedParameters: Int
    /// Trained parameters over the model's.
    public var share: Double
    public var metrics: [Metric]

    public init(
      name: String, kind: Kind, layers: [Int] = [], heads: [Selection.Head] = [], trainedParameters: Int = 0,
      share: Double = 0, metrics: [Metric]
    ) {
      self.name = name
      self.kind = kind
      self.layers = layers
      self.heads = heads
      self.trainedParameters = trainedParameters
      self.share = share
      self.metrics = metrics
    }
  }

  /// A metric of one arm.
  public struct Metric: Sendable, Equatable {
    /// The same in every arm: "captions CIDEr".
    public var name: String
    /// What was trained and tested, where there are several tasks: "captions"; else empty.
    public var task: String
    /// "%", or empty for a plain number.
    public var unit: String
    public var value: Double
    /// Value minus that of the pretrained arm, with the bounds of its 95% interval; nil if there is none.
    public var shift: Double?
    public var low: Double?
    public var high: Double?
    /// The shift with each seed of training, where there are several; `shift` is their mean.
    public var seedShifts: [Double]

    public init(
      name: String, task: String = "", unit: String = "", value: Double, shift: Double? = nil, low: Double? = nil,
      high: Double? = nil,
      seedShifts: [Double] = []
    ) {
      self.name = name
      self.task = task
      self.unit = unit
      self.seedShifts = seedShifts
      self.value = value
      self.shift = shift
      self.low = low
      self.high = high
    }
  }

  /// How the loss of one arm went.
  public struct Curve: Sendable {
    public struct Point: Sendable, Equatable {
      public var step: Int
      public var loss: Double

      public init(step: Int, loss: Double) {
        self.step = step
        self.loss = loss
      }
    }

    /// The arm's name.
    public var arm: String
    /// What it was trained on, where arms were trained on several tasks; else empty. A figure shows one task.
    public var task: String
    /// Of the training; nil if every arm was trained once.
    public var seed: Int?
    /// Ascending by step; so too the next.
    public var training: [Point]
    public var validation: [Point]

    public init(arm: String, task: String = "", seed: Int? = nil, training: [Point], validation: [Point] = []) {
      self.arm = arm
      self.task = task
      self.seed = seed
      self.training = training
      self.validation = validation
    }
  }

  /// Head Impact before and after training.
  public struct HeadImpactChange: Sendable {
    public var measure: RankedMeasure
    public var before: HeadImpactTable
    /// With the arm's name each, and what it was trained on (or an empty text); of the same size as `before`.
    public var after: [(arm: String, task: String, table: HeadImpactTable)]

    public init(
      measure: RankedMeasure, before: HeadImpactTable, after: [(arm: String, task: String, table: HeadImpactTable)]
    ) {
      self.measure = measure
      self.before = before
      self.after = after
    }
  }

  /// How far two prompts rank the heads alike.
  public struct PromptAgreement: Sendable {
    public struct Pair: Sendable {
      /// Places among the prompts; the first is the smaller.
      public var first: Int
      public var second: Int
      /// Spearman's, of all heads.
      public var rankCorrelation: Double
      /// The share of the best heads that is the same, and of the best layers.
      public var headOverlap: Double
      public var layerOverlap: Double

      public init(first: Int, second: Int, rankCorrelation: Double, headOverlap: Double, layerOverlap: Double) {
        (self.first, self.second) = (first, second)
        (self.rankCorrelation, self.headOverlap, self.layerOverlap) = (rankCorrelation, headOverlap, layerOverlap)
      }
    }

    /// The first is that of all other steps.
    public var prompts: [String]
    public var pairs: [Pair]
    /// How many heads and layers are compared.
    public var heads: Int
    public var layers: Int
    /// What they are ranked by.
    public var measure: RankedMeasure

    public init(prompts: [String], pairs: [Pair], heads: Int, layers: Int, measure: RankedMeasure) {
      (self.prompts, self.pairs, self.heads, self.layers) = (prompts, pairs, heads, layers)
      self.measure = measure
    }
  }

  /// What happened to the metrics when something was left out or changed.
  public struct Ablation: Sendable {
    public var name: String
    public var metrics: [Metric]

    public init(name: String, metrics: [Metric]) {
      self.name = name
      self.metrics = metrics
    }
  }

  public struct Timing: Sendable {
    public var name: String
    public var seconds: Double

    public init(name: String, seconds: Double) {
      self.name = name
      self.seconds = seconds
    }
  }

  public var title: String
  /// What was found, in plain words; paragraphs are parted by empty lines.
  public var statement: String
  public var arms: [Arm]
  public var losses: [Curve] = []
  public var headImpact: HeadImpactChange?
  /// Nil for a single prompt.
  public var promptAgreement: PromptAgreement?
  public var ablations: [Ablation] = []
  /// How outcomes change with the number of ablated heads; none if it was one number.
  public var ablationCurves: [AblationCurves.Curve] = []
  public var timings: [Timing] = []
  /// What the experiment comes from and ran on: name and value.
  public var provenance: [(name: String, value: String)] = []
  /// The configuration file's text.
  public var configuration: String = ""

  public init(title: String, statement: String, arms: [Arm]) {
    self.title = title
    self.statement = statement
    self.arms = arms
  }
}
