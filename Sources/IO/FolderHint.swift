import Foundation

/// What a folder without a model's files is, or lacks.
public enum FolderHint {
  /// A sentence on what is there instead and what to do; nil if nothing is recognised.
  public static func describe(_ folder: URL) -> String? {
    let names = names(in: folder)
    return cache(folder, names) ?? unfinished(folder, names) ?? otherWeights(names)
  }

  /// The names in a folder, sorted; none if it can't be read.
  static func names(in folder: URL) -> [String] {
    do { return try FileSystem.names(in: folder) } catch { return [] }
  }

  /// `models--x--y` of the Hugging Face cache.
  private static func cache(_ folder: URL, _ names: [String]) -> String? {
    guard names.contains("snapshots"), names.contains("blobs") || names.contains("refs") else { return nil }
    let snapshots = folder.appendingPathComponent("snapshots")
    let versions = Self.names(in: snapshots)
    guard let first = versions.first else {
      return "this is a folder of the Hugging Face cache without a snapshot: download the model again"
    }
    let more = versions.count > 1 ? " (or \(versions.dropFirst().joined(separator: ", ")) there)" : ""
    return
      "this is a folder of the Hugging Face cache; the model is in \(snapshots.appendingPathComponent(first).path)\(more)"
  }

  private static let partialEndings = [
    ".incomplete", ".part", ".partial", ".crdownload", ".aria2", ".download", ".tmp",
  ]

  /// A download that was interrupted.
  private static func unfinished(_ folder: URL, _ names: [String]) -> String? {
    let downloads = folder.appendingPathComponent(".cache/huggingface/download")
    let pending = Self.names(in: downloads).filter { $0.hasSuffix(".incomplete") }.map {
      ".cache/huggingface/download/\($0)"
    }
    let partial = names.filter { name in partialEndings.contains(where: name.hasSuffix) } + pending
    let dangling = names.compactMap { name -> String? in
      let url = folder.appendingPathComponent(name)
      guard let target = InputFile.linkTarget(of: url), access(url.path, F_OK) != 0 else { return nil }
      return "\(name) is a link to \(target), which does not exist"
    }
    guard let first = dangling.first ?? partial.first.map({ "\($0) is a partial download" }) else { return nil }
    return "\(first): the download isn't finished; start it again"
  }

  /// Weights in other formats.
  private static func otherWeights(_ names: [String]) -> String? {
    func first(_ endings: String..., where isMeant: (String) -> Bool = { _ in true }) -> String? {
      names.first { name in endings.contains(where: name.hasSuffix) && isMeant(name) }
    }
    if names.contains(where: { $0 == "adapter_config.json" || $0 == "adapter_model.safetensors" }) {
      return "this is an adapter's folder: give it with --adapter, and its model's folder with --model"
    }
    if let name = first(".gguf") {
      return "\(name) is a GGUF file, which is not read: take the model's safetensors folder from the Hub"
    }
    if let name = first(".bin", where: { $0.contains("model") }) ?? first(".pth", ".pt", ".ckpt") {
      return
        "\(name) holds weights as a Python pickle, which is not read: save them as safetensors (load the folder with "
        + "transformers' AutoModelForImageTextToText.from_pretrained and call save_pretrained)"
    }
    if let name = first(".h5", ".msgpack") {
      return "\(name) holds weights of TensorFlow or Flax, which are not read: save them as safetensors"
    }
    if let name = first(".safetensors") {
      return "\(name) exists, but model.safetensors.index.json, which lists the shards, is missing: download it too"
    }
    return nil
  }
}
