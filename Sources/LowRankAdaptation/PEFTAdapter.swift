import Foundation
import Safetensors
import TensorCore
import Transformer
import VisionLanguage

/// Adapters in the folder layout of Hugging Face PEFT: adapter_config.json and adapter_model.safetensors (formats.md,
/// "Adapters").
public enum PEFTAdapter {
  private static let configurationName = "adapter_config.json"
  private static let weightsName = "adapter_model.safetensors"
  private static let root = "base_model.model.model."

  /// An adapter that was read.
  public struct Loaded {
    public let adapter: LowRankAdapter
    /// What a new adapter of its kind would be asked for.
    public let configuration: LoRAConfiguration
  }

  /// Writes the two files into a folder that is there. A folder that others see must be put in its place by a rename.
  ///
  /// - Parameter baseModel: what the configuration calls the model.
  /// - Throws: `SafetensorsError`, or the system's error, naming the file.
  public static func write(
    _ adapter: LowRankAdapter, configuration: LoRAConfiguration, for model: any VisionLanguageModel, baseModel: String,
    into folder: URL
  ) throws {
    let values = adapter.parameters
    let tensors = adapter.updates.flatMap { update in
      let name = root + type(of: model).languageModelModule + "." + module(update.site)
      return [
        TensorData(
          name: name + ".lora_A.weight", shape: [update.rank, update.inputs], values: Array(values[update.a])),
        TensorData(
          name: name + ".lora_B.weight", shape: [update.outputs, update.rank], values: Array(values[update.b])),
      ]
    }
    try writeSafetensors(tensors, metadata: ["format": "pt"], to: folder.appendingPathComponent(weightsName))
    try PEFTConfiguration.json(configuration, baseModel: baseModel)
      .write(to: folder.appendingPathComponent(configurationName), options: .atomic)
  }

  /// Reads an adapter that changes the model's language part.
  ///
  /// - Parameter allowsNoChange: takes an adapter whose every B is zero, as training begins with.
  /// - Throws: `LowRankAdaptationError` with everything that doesn't fit the model, or `SafetensorsError`.
  public static func load(
    folder: URL, for model: any VisionLanguageModel, allowsNoChange: Bool = false
  ) throws -> Loaded {
    let configuration = try PEFTConfiguration(contentsOf: folder.appendingPathComponent(configurationName))
    let weights = folder.appendingPathComponent(weightsName)
    guard FileManager.default.fileExists(atPath: weights.path) else {
      throw LowRankAdaptationError("\(folder.path): has no \(weightsName)")
    }
    let file = try SafetensorsFile(contentsOf: weights)
    var reading = Reading(model: model)
    for tensor in file.tensors.values.sorted(by: { $0.name < $1.name }) { reading.take(tensor) }
    let pairs = reading.pairs()
    guard reading.problems.isEmpty else {
      let shown = reading.problems.prefix(20).map { "\n  " + $0 }.joined()
      let more = reading.problems.count > 20 ? "\n  and \(reading.problems.count - 20) more" : ""
      throw LowRankAdaptationError("\(weights.path): doesn't fit the model:\(shown)\(more)")
    }
    guard !pairs.isEmpty else {
      throw LowRankAdaptationError("\(weights.path): has no tensor of an adapter: it would change nothing")
    }
    let shapes = try pairs.map { pair in
      let module = "model." + type(of: model).languageModelModule + "." + module(pair.site)
      let rank = pair.a.shape[0]
      let expected = try configuration.rank(of: module)
      guard expected == rank else {
        throw LowRankAdaptationError(
          "\(folder.path): \(pair.a.name) has the rank \(rank), but \(configurationName) gives it \(expected)")
      }
      return (site: pair.site, rank: rank, scaling: try configuration.scaling(of: module, rank: rank))
    }
    let adapter = LowRankAdapter(shapes, for: model.decoder.layers)
    for pair in pairs {
      guard let update = adapter[pair.site] else { continue }
      copy(pair.a, to: adapter.parameters, update.a)
      copy(pair.b, to: adapter.parameters, update.b)
      guard adapter.parameters[update.a].allSatisfy(\.isFinite), adapter.parameters[update.b].allSatisfy(\.isFinite) else {
        throw LowRankAdaptationError("\(weights.path): \(pair.a.name) or its B holds numbers that are not finite")
      }
    }
    let changes = adapter.updates.contains { update in adapter.parameters[update.b].contains { $0 != 0 } }
    guard changes || allowsNoChange else {
      throw LowRankAdaptationError("\(weights.path): every B is zero: this adapter would change nothing")
    }
    return Loaded(
      adapter: adapter,
      configuration: try LoRAConfiguration(
        layers: Array(Set(pairs.map(\.site.layer))), targets: Array(Set(pairs.map(\.site.projection))),
        loraRank: configuration.rank, loraAlpha: configuration.alpha, dropout: configuration.dropout))
  }

  /// Whether one rank and one factor say all of the adapter's updates: what `write` can say.
  public static func isUniform(_ adapter: LowRankAdapter) -> Bool {
    Set(adapter.updates.map(\.rank)).count <= 1 && Set(adapter.updates.map(\.scaling)).count <= 1
  }

  private static func module(_ site: LowRankAdapter.Site) -> String {
    "layers.\(site.layer).\(site.projection.module)"
  }

  private static func copy(_ tensor: TensorView, to parameters: UnsafeMutableBufferPointer<Float>, _ range: Range<Int>) {
    let elementType: ElementType =
      switch tensor.dtype {
      case .bf16: .bf16
      case .f16: .f16
      default: .f32
      }
    tensor.withBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      let values = WeightMatrix(owner: tensor.file, base: base, elementType: elementType, rows: 1, columns: range.count)
        .floats()
      for (index, value) in zip(range, values) { parameters[index] = value }
    }
  }

  /// Tensors taken by name, with everything that is wrong with them.
  private struct Reading {
    let model: any VisionLanguageModel
    var problems: [String] = []
    private var found: [LowRankAdapter.Site: (a: TensorView?, b: TensorView?)] = [:]

    init(model: any VisionLanguageModel) { self.model = model }

    mutating func take(_ tensor: TensorView) {
      guard tensor.name.hasPrefix(root) else {
        problems.append("\(tensor.name): is unknown; names begin with \(root)")
        return
      }
      let name = tensor.name.dropFirst(root.count)
      let prefix = type(of: model).languageModelModule + "."
      let inner = name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : name
      guard inner.hasPrefix("layers.") else {
        problems.append(
          "\(tensor.name): is no module of the language model's layers; those of the vision tower are never adapted")
        return
      }
      let parts = inner.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 6, let layer = Int(parts[1]), let projection = Projection(rawValue: String(parts[3])),
        projection.module == "\(parts[2]).\(parts[3])", parts[5] == "weight", ["lora_A", "lora_B"].contains(parts[4])
      else {
        problems.append("\(tensor.name): is unknown; what is adapted is layers.<i>.<module>.lora_A.weight and lora_B")
        return
      }
      let layers = model.decoder.layers
      guard layers.indices.contains(layer) else {
        problems.append("\(tensor.name): is of layer \(layer); the model has \(layers.count)")
        return
      }
      guard [.f32, .bf16, .f16].contains(tensor.dtype), tensor.isAligned else {
        problems.append("\(tensor.name): is \(tensor.dtype.rawValue); F32, BF16 and F16 at aligned places are read")
        return
      }
      let linear = layers[layer][projection]
      let isA = parts[4] == "lora_A"
      let width = isA ? linear.inputs : linear.outputs
      guard tensor.shape.count == 2, tensor.shape[isA ? 1 : 0] == width, tensor.shape[isA ? 0 : 1] >= 1 else {
        problems.append(
          "\(tensor.name): has shape \(tensor.shape); the model asks for \(isA ? "[rank, \(width)]" : "[\(width), rank]")")
        return
      }
      let site = LowRankAdapter.Site(layer: layer, projection: projection)
      var pair = found[site] ?? (nil, nil)
      guard (isA ? pair.a : pair.b) == nil else {
        problems.append("\(tensor.name): is there under both of its names")
        return
      }
      if isA { pair.a = tensor } else { pair.b = tensor }
      found[site] = pair
    }

    mutating func pairs() -> [(site: LowRankAdapter.Site, a: TensorView, b: TensorView)] {
      found.sorted { $0.key < $1.key }.compactMap { site, pair in
        guard let a = pair.a, let b = pair.b else {
          problems.append("\((pair.a ?? pair.b)?.name ?? ""): has no counterpart: A and B come in pairs")
          return nil
        }
        guard a.shape[0] == b.shape[1] else {
          problems.append("\(a.name): has the rank \(a.shape[0]), its B \(b.shape[1])")
          return nil
        }
        return (site, a, b)
      }
    }
  }
}
