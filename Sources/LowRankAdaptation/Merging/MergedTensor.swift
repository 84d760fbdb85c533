import Kernels
import Safetensors
import Transformer
import VisionLanguage

/// A tensor of a checkpoint as an adapter changes it: scale · (W + scaling · B A), each row with its scale, or a bias.
struct MergedTensor {
  /// The checkpoint's own, or the adapter's in its place. - Shape: [out, in]; a bias [out, 1]
  let weight: Tensor
  var factors: LowRankFactors?
  /// DoRA's. - Shape: [1, out]
  var scale: Tensor?

  /// Rows of it, in float32: its sums are rounded once more only where the checkpoint's type is shorter.
  ///
  /// - Parameter backend: of the precision f32.
  func rows(_ range: Range<Int>, on backend: any Backend) throws -> Tensor {
    let rows = backend.tensor(rows: range.count, columns: weight.columns)
    backend.gather(weight, Array(range), into: rows)
    if let factors {
      let delta = backend.tensor(rows: range.count, columns: weight.columns)
      try backend.withOperand(factors.b.rows(range)) {
        try backend.applyBackward(Linear(weight: factors.a), to: $0, into: delta, accumulate: false)
      }
      backend.scale(delta, by: factors.scaling)
      backend.add(delta, to: rows)
    }
    if let scale {
      for (row, factor) in scale.floats()[range].enumerated() { backend.scale(rows.rows(row..<row + 1), by: factor) }
    }
    return rows
  }
}

extension PEFTAdapter {
  /// The checkpoint's tensors that an adapter changes, by name.
  ///
  /// - Throws: `PEFTError` naming what else it changes: that can't be merged here.
  static func merged(_ adapter: LowRankAdapter, folder: String, into model: any VisionLanguageModel) throws
    -> [String: MergedTensor]
  {
    var merged: [String: MergedTensor] = [:]
    var problems: [String] = []
    if !adapter.parts.head.isEmpty { problems.append("lm_head or the last norm is changed") }
    if !adapter.parts.embedding.isEmpty { problems.append("embed_tokens is changed") }
    let names = CheckpointNames(model.checkpoint)
    let changed = Set(adapter.updates.map(\.target.layer)).union(adapter.parts.layers.keys).sorted()
    for index in changed {
      let (own, other) = (model.decoder.layers[index], adapter.parts.layers[index] ?? model.decoder.layers[index])
      for norm in DecoderNorm.allCases where own[norm].map({ $0.weight.isSame(as: other[norm]?.weight) }) == false {
        problems.append("layers.\(index).\(norm.rawValue) is changed")
      }
      for projection in Projection.allCases {
        guard let linear = own[projection], let new = other[projection] else { continue }
        let target = LoRATarget(layer: index, projection: projection)
        let update = adapter[target]
        let isReplaced = !new.weight.isSame(as: linear.weight)
        let hasNewBias = new.bias.map { !$0.isSame(as: linear.bias) } ?? false
        guard update != nil || isReplaced || hasNewBias else { continue }
        guard let name = names[linear.weight] else {
          problems.append("\(target.module) is no tensor of its own in the checkpoint")
          continue
        }
        if update != nil || isReplaced {
          merged[name] = MergedTensor(
            weight: new.weight, factors: update.map(adapter.factors), scale: adapter.parts.outputScales[target])
        }
        guard hasNewBias, let bias = new.bias else { continue }
        let biasName = name.hasSuffix(".weight") ? name.dropLast("weight".count) + "bias" : "\(name).bias"
        guard model.checkpoint.tensors[biasName] != nil else {
          problems.append("\(target.module) gets a bias, which the checkpoint has no tensor for")
          continue
        }
        merged[biasName] = MergedTensor(weight: bias.reshaped(rows: bias.count, columns: 1))
      }
    }
    guard problems.isEmpty else {
      throw PEFTError(
        folder, problems.map { "can't be merged here: \($0)" },
        wayOut: PEFTError.merging(adapter: folder, model: model.checkpoint.folder.path))
    }
    return merged
  }
}

/// The names of a checkpoint's matrices by where they lie: a model's weights are these, whatever it calls them.
private struct CheckpointNames {
  private let views: [[Int]: [TensorView]]

  init(_ checkpoint: SafetensorsCheckpoint) {
    views = Dictionary(grouping: checkpoint.tensors.values.filter { $0.shape.count == 2 }, by: \.shape)
  }

  subscript(weight: Tensor) -> String? {
    (views[[weight.rows, weight.columns]] ?? []).first { view in
      view.withBytes { bytes in
        guard let base = bytes.baseAddress else { return false }
        return Tensor(
          owner: view.file, base: base, elementType: weight.elementType, rows: weight.rows, columns: weight.columns
        ).isSame(as: weight)
      }
    }?.name
  }
}

extension Tensor {
  fileprivate func isSame(as other: Tensor?) -> Bool { other.map { isSame(as: $0) } ?? false }
}
