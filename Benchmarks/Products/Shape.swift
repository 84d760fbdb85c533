/// A linear layer of a product model, with the rows that it multiplies in real runs.
struct Shape {
  let model: String
  /// Layers of this shape, by their names in the decoder, the vision tower or between them.
  let layers: String
  let inputs: Int
  let outputs: Int
  let rows: [Int]
  /// Only decoder layers are passed backwards: what is below them is frozen.
  let goesBackward: Bool

  var name: String { "\(model) \(layers)" }

  private static let passes = [437, 1564, 4096]

  private static func decoder(_ model: String, _ layers: String, _ inputs: Int, _ outputs: Int) -> Shape {
    Shape(
      model: model, layers: layers, inputs: inputs, outputs: outputs, rows: [1, 16] + passes, goesBackward: true)
  }

  /// The output head computes the rows of new tokens only.
  private static func head(_ model: String, _ inputs: Int, _ outputs: Int) -> Shape {
    Shape(model: model, layers: "head", inputs: inputs, outputs: outputs, rows: [1, 16], goesBackward: false)
  }

  private static func vision(_ model: String, _ layers: String, _ inputs: Int, _ outputs: Int) -> Shape {
    Shape(model: model, layers: "vision \(layers)", inputs: inputs, outputs: outputs, rows: passes, goesBackward: false)
  }

  /// As published: Qwen/Qwen2-VL-2B-Instruct, HuggingFaceTB/SmolVLM2-2.2B-Instruct, OpenGVLab/InternVL3-2B-hf (whose decoder
  /// has the shapes of Qwen2-VL's).
  static let all: [Shape] = [
    decoder("qwen2-vl-2b", "q o", 1536, 1536),
    decoder("qwen2-vl-2b", "k v", 1536, 256),
    decoder("qwen2-vl-2b", "gate up", 1536, 8960),
    decoder("qwen2-vl-2b", "down", 8960, 1536),
    head("qwen2-vl-2b", 1536, 151_936),
    vision("qwen2-vl-2b", "patches", 1176, 1280),
    vision("qwen2-vl-2b", "qkv", 1280, 3840),
    vision("qwen2-vl-2b", "out", 1280, 1280),
    vision("qwen2-vl-2b", "fc1", 1280, 5120),
    vision("qwen2-vl-2b", "fc2", 5120, 1280),
    vision("qwen2-vl-2b", "merger 1", 5120, 5120),
    vision("qwen2-vl-2b", "merger 2", 5120, 1536),
    decoder("smolvlm2-2.2b", "q k v o", 2048, 2048),
    decoder("smolvlm2-2.2b", "gate up", 2048, 8192),
    decoder("smolvlm2-2.2b", "down", 8192, 2048),
    head("smolvlm2-2.2b", 2048, 49_280),
    vision("smolvlm2-2.2b", "patches", 588, 1152),
    vision("smolvlm2-2.2b", "q k v out", 1152, 1152),
    vision("smolvlm2-2.2b", "fc1", 1152, 4304),
    vision("smolvlm2-2.2b", "fc2", 4304, 1152),
    vision("smolvlm2-2.2b", "connector", 10_368, 2048),
    vision("internvl3-2b", "patches", 588, 1024),
    vision("internvl3-2b", "q k v out", 1024, 1024),
    vision("internvl3-2b", "fc1", 1024, 4096),
    vision("internvl3-2b", "fc2", 4096, 1024),
    vision("internvl3-2b", "projector", 4096, 1536),
  ]
}
