import Kernels
import Safetensors
import Transformer

/// A Qwen2-VL checkpoint's tensors by their published names, and by those that transformers 5 writes.
struct Qwen2VLWeights {
  let embeddings: Tensor
  let decoderLayers: [DecoderLayer]
  let finalNorm: [Float]
  /// The output head; the embeddings where they are tied.
  let outputHead: Tensor
  /// Whether the output head is the embeddings, so that what changes one changes the other.
  let isHeadTied: Bool
  /// What the user should know of the weight files.
  let remarks: [String]
  let patchEmbedding: Linear
  let encoderLayers: [EncoderLayer]
  let mergerNorm: LayerNorm
  let mergerInner: Linear
  let mergerOuter: Linear

  /// - Throws: `WeightError` with every tensor that is missing, unexpected or misshapen.
  init(_ checkpoint: SafetensorsCheckpoint, _ configuration: Qwen2VLConfiguration) throws {
    let names = Qwen2VLTensorNames(checkpoint.tensors.keys)
    let loader = WeightLoader(checkpoint, name: Qwen2VLTensorNames.current, written: names.written)
    let text = "model.language_model."
    let visual = "model.visual."

    let hidden = configuration.hiddenSize
    let vocabulary = configuration.vocabularySize
    decoderLayers = (0..<configuration.numHiddenLayers).map {
      Self.decoderLayer(loader, text + "layers.\($0).", configuration)
    }
    finalNorm = loader.vector(text + "norm.weight", count: hidden)
    // Of tied tensors a checkpoint may hold either. Where it holds both and they differ, transformers doesn't tie them.
    let (table, head) = (text + "embed_tokens.weight", "lm_head.weight")
    let ties = configuration.tieWordEmbeddings
    let embeddings = loader.matrix(
      ties && !loader.has(table) && loader.has(head) ? head : table, rows: vocabulary, columns: hidden)
    var headRemarks: [String] = []
    if ties, !loader.has(head) || !loader.has(table) {
      (outputHead, isHeadTied) = (embeddings, true)
    } else {
      let own = loader.matrix(head, rows: vocabulary, columns: hidden)
      isHeadTied = ties && loader.isSoundSoFar && own.hasEqualElements(to: embeddings)
      outputHead = isHeadTied ? embeddings : own
      if ties, !isHeadTied {
        headRemarks = [
          "\(checkpoint.folder.path): lm_head.weight and the embeddings differ though config.json ties them "
            + "(tie_word_embeddings); lm_head.weight is used, as in transformers"
        ]
      }
    }
    self.embeddings = embeddings

    let embed = configuration.visionEmbedDim
    patchEmbedding = Linear(
      weight: loader.matrix(
        visual + "patch_embed.proj.weight", rows: embed, columns: configuration.patchWidth,
        fileShape: [
          embed, configuration.inChannels, configuration.temporalPatchSize, configuration.patchSize,
          configuration.patchSize,
        ]))
    encoderLayers = (0..<configuration.visionDepth).map {
      Self.encoderLayer(loader, visual + "blocks.\($0).", configuration)
    }
    let merged = embed * configuration.spatialMergeSize * configuration.spatialMergeSize
    mergerNorm = Self.layerNorm(loader, visual + "merger.ln_q", embed)
    mergerInner = Self.linear(loader, visual + "merger.mlp.0", outputs: merged, inputs: merged)
    mergerOuter = Self.linear(loader, visual + "merger.mlp.2", outputs: hidden, inputs: merged)
    remarks = try loader.finish() + headRemarks
  }

  private static func linear(
    _ loader: WeightLoader, _ name: String, outputs: Int, inputs: Int, hasBias: Bool = true
  ) -> Linear {
    Linear(
      weight: loader.matrix(name + ".weight", rows: outputs, columns: inputs),
      bias: hasBias ? loader.bias(name + ".bias", count: outputs) : nil)
  }

  private static func layerNorm(_ loader: WeightLoader, _ name: String, _ count: Int) -> LayerNorm {
    LayerNorm(
      weight: loader.vector(name + ".weight", count: count), bias: loader.vector(name + ".bias", count: count),
      eps: 1e-6)
  }

  private static func decoderLayer(
    _ loader: WeightLoader, _ name: String, _ configuration: Qwen2VLConfiguration
  ) -> DecoderLayer {
    let hidden = configuration.hiddenSize
    let shape = AttentionShape(
      heads: configuration.numAttentionHeads, keyValueHeads: configuration.numKeyValueHeads,
      headDim: configuration.headDim)
    func projection(_ part: String, outputs: Int, inputs: Int, hasBias: Bool) -> Linear {
      linear(loader, name + part, outputs: outputs, inputs: inputs, hasBias: hasBias)
    }
    return DecoderLayer(
      inputNorm: loader.vector(name + "input_layernorm.weight", count: hidden),
      attention: Attention(
        query: projection("self_attn.q_proj", outputs: shape.queryWidth, inputs: hidden, hasBias: true),
        key: projection("self_attn.k_proj", outputs: shape.keyValueWidth, inputs: hidden, hasBias: true),
        value: projection("self_attn.v_proj", outputs: shape.keyValueWidth, inputs: hidden, hasBias: true),
        output: projection("self_attn.o_proj", outputs: hidden, inputs: shape.queryWidth, hasBias: false),
        shape: shape),
      postAttentionNorm: loader.vector(name + "post_attention_layernorm.weight", count: hidden),
      gate: projection("mlp.gate_proj", outputs: configuration.intermediateSize, inputs: hidden, hasBias: false),
      up: projection("mlp.up_proj", outputs: configuration.intermediateSize, inputs: hidden, hasBias: false),
      down: projection("mlp.down_proj", outputs: hidden, inputs: configuration.intermediateSize, hasBias: false))
  }

  private static func encoderLayer(
    _ loader: WeightLoader, _ name: String, _ configuration: Qwen2VLConfiguration
  ) -> EncoderLayer {
    let embed = configuration.visionEmbedDim
    let fused = linear(loader, name + "attn.qkv", outputs: 3 * embed, inputs: embed)
    return EncoderLayer(
      norm1: layerNorm(loader, name + "norm1", embed),
      attention: Attention(
        query: fused.rows(0..<embed), key: fused.rows(embed..<2 * embed), value: fused.rows(2 * embed..<3 * embed),
        output: linear(loader, name + "attn.proj", outputs: embed, inputs: embed),
        shape: AttentionShape(
          heads: configuration.visionNumHeads, keyValueHeads: configuration.visionNumHeads,
          headDim: configuration.visionHeadDim)),
      norm2: layerNorm(loader, name + "norm2", embed),
      fc1: linear(loader, name + "mlp.fc1", outputs: configuration.visionIntermediateSize, inputs: embed),
      fc2: linear(loader, name + "mlp.fc2", outputs: embed, inputs: configuration.visionIntermediateSize),
      activation: .quickGELU)
  }
}
