import Kernels

extension DecoderConfiguration {
  /// The architecture: what its layers have, and the defaults of transformers' class.
  struct Kind: Sendable, Equatable {
    /// Layers that see a window of keys (`sliding_attention`), and those between them that see all.
    struct Windows: Sendable, Equatable {
      /// `sliding_window`.
      var size: Int
      /// Every so many layers, the last sees all; nil where none does, and a file may switch the window off by null.
      var period: Int?
      /// The key that says so, where a file may.
      var periodKey: String?
    }

    /// `model_type` of a `text_config`; the first is named in errors.
    var modelTypes: [String]
    var rmsNormEps = 1e-6
    var ropeTheta = 10_000.0
    /// Where a file may leave them out.
    var hiddenSize: Int?
    var intermediateSize: Int?
    var layers: Int?
    var heads: Int?
    var keyValueHeads: Int?
    var vocabularySize: Int?
    /// nil for the width divided by the number of heads.
    var headDim: Int?
    /// Whether another head dimension than the default may be given.
    var takesHeadDim = true
    /// Biases of the query, key and value projections; nil if `attention_bias` says it, for the output projection too.
    var hasQueryKeyValueBias: Bool?
    var hasQueryKeyNorm = false
    var activation = Activation.silu
    /// The keys that name it, and its names.
    var activationKeys = ["hidden_act"]
    var activations = ["silu"]
    /// What is added to the weights of all norms.
    var normWeightOffset: Float = 0
    /// Norms behind the attention and the MLP, beside those before.
    var hasOutputNorms = false
    /// Whether token embeddings are multiplied by the root of the width.
    var scalesEmbeddings = false
    /// `query_pre_attn_scalar`, whose inverse root scales the scores; nil for D.
    var queryPreAttentionScalar: Double?
    /// Whether a file may ask for softcaps, and those of the class.
    var hasSoftcaps = false
    var scoreSoftcap: Double?
    var logitSoftcap: Double?
    /// nil if all layers see all.
    var windows: Windows?
    var windowsHaveOwnRotary = false
    var windowHoldsBothWays = false
    /// Whether the family says who sees whom, whatever `use_bidirectional_attention` says.
    var hasMaskOfFamily = false

    static let llama = Kind(modelTypes: ["llama"])
    static let mistral = Kind(
      modelTypes: ["mistral"], hasQueryKeyValueBias: false, windows: Windows(size: 4096, period: nil))
    static let qwen2 = Kind(modelTypes: ["qwen2"], hasQueryKeyValueBias: true)
    static let qwen3 = Kind(modelTypes: ["qwen3"], headDim: 128, hasQueryKeyNorm: true)

    /// The same where a file may leave out the sizes: those of transformers' class.
    func leavingOut(
      hiddenSize: Int, intermediateSize: Int, layers: Int, heads: Int, keyValueHeads: Int? = nil, vocabularySize: Int
    ) -> Kind {
      var kind = self
      (kind.hiddenSize, kind.intermediateSize, kind.layers) = (hiddenSize, intermediateSize, layers)
      (kind.heads, kind.keyValueHeads, kind.vocabularySize) = (heads, keyValueHeads, vocabularySize)
      return kind
    }

    /// Gemma (arXiv 2403.08295). The old name "gelu" means the approximation by tanh, as in transformers.
    static let gemma = Kind(
      modelTypes: ["gemma"], heads: 16, keyValueHeads: 16, vocabularySize: 256_000, headDim: 256, activation: .tanhGELU,
      activationKeys: ["hidden_act", "hidden_activation"],
      activations: ["gelu_pytorch_tanh", "gelu"], normWeightOffset: 1, scalesEmbeddings: true)

    /// Gemma 2 (arXiv 2408.00118): a window in every other layer, the first of them.
    static let gemma2 = Kind(
      modelTypes: ["gemma2"], heads: 8, keyValueHeads: 4, vocabularySize: 256_000, headDim: 256, activation: .tanhGELU,
      activationKeys: ["hidden_activation"], activations: ["gelu_pytorch_tanh"], normWeightOffset: 1,
      hasOutputNorms: true, scalesEmbeddings: true, queryPreAttentionScalar: 256, hasSoftcaps: true, scoreSoftcap: 50,
      logitSoftcap: 30, windows: Windows(size: 4096, period: 2))

    /// Gemma 3 (arXiv 2503.19786): a window in five of six layers, which have a rotary embedding of their own. transformers
    /// doesn't apply the softcaps that its class has keys for.
    static let gemma3 = Kind(
      modelTypes: ["gemma3_text"], ropeTheta: 1_000_000, heads: 8, keyValueHeads: 4, vocabularySize: 262_208,
      headDim: 256, hasQueryKeyNorm: true, activation: .tanhGELU, activationKeys: ["hidden_activation"],
      activations: ["gelu_pytorch_tanh"], normWeightOffset: 1, hasOutputNorms: true, scalesEmbeddings: true,
      queryPreAttentionScalar: 256, windows: Windows(size: 4096, period: 6, periodKey: "sliding_window_pattern"),
      windowsHaveOwnRotary: true,
      windowHoldsBothWays: true)
  }
}
