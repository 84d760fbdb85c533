import Kernels
import Transformer

/// The language model's tensors, of Llama and its relatives.
struct DecoderWeights {
  /// - Shape: [vocabulary, C].
  let embeddings: Tensor
  let layers: [TransformerLayer]
  let finalNorm: Norm
  /// The output head; the embeddings where they are tied. - Shape: [vocabulary, C].
  let outputHead: Tensor
  /// Whether the output head is the embeddings, so that what changes one changes the other.
  let isHeadTied: Bool
  /// What the user should know of the head.
  let remarks: [String]

  /// Takes the tensors out of a loader, whose `finish` says what is wrong with them.
  ///
  /// - Parameters:
  ///   - prefix: what the names of the language model's tensors begin with in transformers 5.
  init(_ loader: WeightLoader, _ configuration: DecoderConfiguration, prefix: String) {
    layers = (0..<configuration.numHiddenLayers).map {
      Self.layer(loader, prefix + "layers.\($0).", configuration, window: configuration.windows[$0])
    }
    let (hidden, vocabulary) = (configuration.hiddenSize, configuration.vocabularySize)
    finalNorm = loader.norm(
      .rms, prefix + "norm", count: hidden, eps: configuration.rmsNormEps, weightOffset: configuration.normWeightOffset)
    // Of tied tensors a checkpoint may hold either. Where it holds both and they differ, transformers doesn't tie them.
    let (table, head) = (prefix + "embed_tokens.weight", "lm_head.weight")
    let ties = configuration.tieWordEmbeddings
    embeddings = loader.matrix(
      ties && !loader.has(table) && loader.has(head) ? head : table, rows: vocabulary, columns: hidden)
    var remarks: [String] = []
    if ties, !loader.has(head) || !loader.has(table) {
      (outputHead, isHeadTied) = (embeddings, true)
    } else {
      let own = loader.matrix(head, rows: vocabulary, columns: hidden)
      isHeadTied = ties && loader.isSoundSoFar && own.hasEqualElements(to: embeddings)
      outputHead = isHeadTied ? embeddings : own
      if ties, !isHeadTied {
        remarks = [
          "\(loader.folder): lm_head.weight and the embeddings differ though config.json ties them "
            + "(tie_word_embeddings); lm_head.weight is used, as in transformers"
        ]
      }
    }
    self.remarks = remarks
  }

  private static func layer(
    _ loader: WeightLoader, _ name: String, _ configuration: DecoderConfiguration, window: Int?
  ) -> TransformerLayer {
    let (hidden, inner, shape) = (configuration.hiddenSize, configuration.intermediateSize, configuration.shape)
    let hasBias = configuration.hasQueryKeyValueBias
    func norm(_ part: String, count: Int) -> Norm {
      loader.norm(
        .rms, name + part, count: count, eps: configuration.rmsNormEps, weightOffset: configuration.normWeightOffset)
    }
    func headNorm(_ part: String) -> Norm? {
      configuration.hasQueryKeyNorm ? norm(part, count: shape.headDim) : nil
    }
    // Of four norms, post_attention_layernorm stands behind the attention; of two, before the MLP.
    let (before, behind) =
      configuration.hasOutputNorms
      ? ("pre_feedforward_layernorm", ("post_attention_layernorm", "post_feedforward_layernorm"))
      : ("post_attention_layernorm", nil)
    return TransformerLayer(
      inputNorm: norm("input_layernorm", count: hidden),
      attention: Attention(
        query: loader.linear(name + "self_attn.q_proj", outputs: shape.queryWidth, inputs: hidden, hasBias: hasBias),
        key: loader.linear(name + "self_attn.k_proj", outputs: shape.keyValueWidth, inputs: hidden, hasBias: hasBias),
        value: loader.linear(name + "self_attn.v_proj", outputs: shape.keyValueWidth, inputs: hidden, hasBias: hasBias),
        output: loader.linear(
          name + "self_attn.o_proj", outputs: hidden, inputs: shape.queryWidth, hasBias: configuration.hasOutputBias),
        shape: shape, queryNorm: headNorm("self_attn.q_norm"), keyNorm: headNorm("self_attn.k_norm"),
        rotary: window != nil && configuration.windowsHaveOwnRotary ? 1 : 0, window: window,
        windowHoldsBothWays: configuration.windowHoldsBothWays),
      attentionOutputNorm: behind.map { norm($0.0, count: hidden) },
      feedForwardNorm: norm(before, count: hidden),
      feedForward: FeedForward(
        gate: loader.linear(name + "mlp.gate_proj", outputs: inner, inputs: hidden, hasBias: false),
        up: loader.linear(name + "mlp.up_proj", outputs: inner, inputs: hidden, hasBias: false),
        down: loader.linear(name + "mlp.down_proj", outputs: hidden, inputs: inner, hasBias: false),
        activation: configuration.activation),
      feedForwardOutputNorm: behind.map { norm($0.1, count: hidden) })
  }
}

extension WeightLoader {
  func linear(_ name: String, outputs: Int, inputs: Int, hasBias: Bool = true, fileShape: [Int]? = nil) -> Linear {
    Linear(
      weight: matrix(name + ".weight", rows: outputs, columns: inputs, fileShape: fileShape),
      bias: hasBias ? bias(name + ".bias", count: outputs) : nil)
  }

  /// LayerNorm has a bias, RMSNorm has none.
  ///
  /// - Parameter weightOffset: is added to the weights: 1 for Gemma's RMSNorm.
  func norm(_ kind: Norm.Kind, _ name: String, count: Int, eps: Double, weightOffset: Float = 0) -> Norm {
    let weight = row(name + ".weight", count: count)
    return Norm(
      kind, weight: weightOffset == 0 ? weight : Tensor(weight.floats().map { $0 + weightOffset }),
      bias: kind == .layer ? row(name + ".bias", count: count) : nil, eps: Float(eps), weightOffset: weightOffset)
  }
}
