import Foundation

/// One of the committed tiny checkpoints, with a dataset and what the reference program made of the two.
public struct TinyCase: Sendable, CustomStringConvertible {
  /// Of Qwen2-VL the layout that transformers 5 writes, the one that is published (sharded), and one with odd sizes; of other
  /// families the published one.
  public static let all = [
    "nested", "published", "odd",
    "smolvlm", "idefics3",
    "qwen2_5_vl", "qwen2_5_vl_nested",
    "internvl", "internvl3_5",
    "llava_onevision", "llava_next", "llava",
    "paligemma", "paligemma2",
    "gemma3", "gemma3_saved",
    "qwen3_vl", "qwen3_vl_saved",
  ].map { TinyCase(name: $0) }
  public static let nested = all[0]

  /// An adapter that PEFT wrote for `nested`.
  public static let nestedAdapter = tests.appendingPathComponent("LowRankAdaptationTests/Goldens/patterns")
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

  /// The goldens hold what transformers makes with Pillow.
  public static let resize = ["--resize", "pillow"]

  public let name: String
  private var folder: URL { Self.tests.appendingPathComponent("VisionLanguageTests/Goldens/\(name)") }

  public var model: URL { folder.appendingPathComponent("checkpoint") }
  public var dataset: URL { folder.appendingPathComponent("dataset/keyobjects.json") }
  public var images: URL { folder.appendingPathComponent("dataset/images") }
  public var description: String { name }

  /// The reference program's results over the dataset.
  public func goldens() throws -> Goldens {
    try Goldens(
      name, name: "dataset.safetensors",
      testFile: folder.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("TinyCase.swift").path)
  }

  /// Arguments of `headimpact score`, without progress.
  public func score(to output: URL, _ more: String..., dataset: URL? = nil, images: URL? = nil, model: URL? = nil)
    -> [String]
  {
    [
      "score", "--model", (model ?? self.model).path, "--dataset", (dataset ?? self.dataset).path, "--images",
      (images ?? self.images).path, "--output", output.path, "--quiet",
    ] + Self.resize + more
  }
}
