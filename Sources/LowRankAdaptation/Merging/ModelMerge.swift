import Foundation
import IO
import Kernels
import Safetensors
import Transformer
import VisionLanguage

/// A model with an adapter merged into it: a full checkpoint, which needs no adapter.
///
/// Its files are those of the base: the same shards with the same tensors, names, types and shapes, of which the adapter's
/// are computed and the others copied; and everything else in the folder but weights of other formats.
public struct ModelMerge {
  public struct Summary: Sendable, Encodable {
    public let output: String
    /// Tensors that the adapter changes, of all.
    public let changedTensors: Int
    public let tensors: Int
    public let bytes: Int
  }

  private let model: any VisionLanguageModel
  private let merged: [String: MergedTensor]
  private let base: BaseModelName
  private let adapter: URL
  private var adapterName: String { adapter.standardizedFileURL.lastPathComponent }

  /// In the card of every merged model, which is how `--overwrite` recognises one.
  private static let signature = "merged into its weights by headimpact merge"

  /// Rows that are computed at a time. - Units: bytes, of float32.
  private static let pieceBytes = 16 << 20
  /// What isn't copied: weights in other formats.
  private static let weightKinds: Set<String> = [
    "safetensors", "bin", "pt", "pth", "ckpt", "gguf", "h5", "msgpack", "onnx", "npz",
  ]

  /// - Parameter model: with a backend of the precision f32.
  /// - Throws: `PEFTError` with what can't be merged; as `PEFTAdapter.load`.
  public init(_ model: any VisionLanguageModel, adapter folder: URL) throws {
    precondition(model.backend.precision == .f32, "sums are float32's")
    self.model = model
    adapter = folder
    merged = try PEFTAdapter.merged(
      try PEFTAdapter.load(folder: folder, for: model), folder: folder.path, into: model)
    base = BaseModelName(folder: model.checkpoint.folder)
  }

  /// Writes the folder, which appears as a whole.
  ///
  /// - Parameter overwrites: whether a model that was merged before is replaced, once the new one is whole.
  /// - Throws: `MergeError` if there is something else of its name, no room, or a number that the checkpoint's type can't
  ///   hold; `FolderError`.
  public func write(to output: URL, overwrites: Bool = false) throws -> Summary {
    if let reason = try refusal(of: output, overwrites: overwrites) { throw MergeError("\(output.path): \(reason)") }
    let small = try smallFiles()
    let bytes = model.checkpoint.files.reduce(0) { $0 + $1.file.count } + small.reduce(0) { $0 + $1.bytes.count }
    try requireRoom(bytes, for: output)
    try FileSystem.makeFolder(output.deletingLastPathComponent())
    try WholeFolder.write(
      to: output, what: "the merged model",
      refusal: { old, fresh in
        try refusal(of: old, overwrites: overwrites) ?? foreignFiles(in: old, replacedBy: fresh)
      }
    ) { folder in
      for file in model.checkpoint.files { try write(file, to: folder) }
      for (name, content) in small { try WholeFolder.write(content, to: folder.appendingPathComponent(name)) }
      try WholeFolder.write(Data(card.utf8), to: folder.appendingPathComponent("README.md"))
    }
    return Summary(
      output: output.path, changedTensors: merged.count, tensors: model.checkpoint.tensors.count, bytes: bytes)
  }

  /// Why what lies under the output's name isn't replaced; nil if nothing does, or it may be.
  private func refusal(of output: URL, overwrites: Bool) throws -> String? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: output.path, isDirectory: &isFolder) else { return nil }
    guard overwrites else { return "already exists; choose another --output, or let it be replaced by --overwrite" }
    let isInput = [model.checkpoint.folder, adapter].contains { ($0.place + "/").hasPrefix(output.place + "/") }
    guard !isInput else {
      return "is or holds an input of this command, so --overwrite doesn't replace it; choose another --output"
    }
    let card = output.appendingPathComponent("README.md")
    guard isFolder.boolValue, FileManager.default.fileExists(atPath: card.path),
      String(decoding: try InputFile.read(card), as: UTF8.self).contains(Self.signature)
    else { return "is no output of this command, so --overwrite doesn't replace it; choose another --output" }
    return nil
  }

  private func foreignFiles(in old: URL, replacedBy fresh: URL) throws -> String? {
    let foreign = Set(try FileSystem.names(in: old)).subtracting(try FileSystem.names(in: fresh))
    guard !foreign.isEmpty else { return nil }
    let names = foreign.sorted().prefix(5).joined(separator: ", ")
    return
      "holds files that the new model doesn't have (\(names)), so --overwrite doesn't replace it; choose another --output"
  }

  // MARK: Weights

  private func write(_ file: SafetensorsFile, to folder: URL) throws {
    let copy = try AtomicFile(for: try place(of: file, in: folder))
    try file.file.withBytes(in: file.headerRange) { try copy.append($0) }
    for tensor in file.tensors.values.sorted(by: { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }) {
      guard let new = merged[tensor.name] else {
        try tensor.withBytes { try copy.append($0) }
        continue
      }
      let size = max(1, Self.pieceBytes / (4 * max(1, new.weight.columns)))
      for first in stride(from: 0, to: new.weight.rows, by: size) {
        let rows = try new.rows(first..<min(first + size, new.weight.rows), on: model.backend)
        try bytes(of: rows, as: tensor).withUnsafeBytes { try copy.append($0) }
      }
    }
    try copy.commit()
  }

  /// Where a weight file lies below the model's folder, there lies its copy.
  private func place(of file: SafetensorsFile, in folder: URL) throws -> URL {
    let (root, path) = (model.checkpoint.folder.path + "/", file.file.url.path)
    let place = folder.appendingPathComponent(
      path.hasPrefix(root) ? String(path.dropFirst(root.count)) : file.file.url.lastPathComponent)
    try FileSystem.makeFolder(place.deletingLastPathComponent())
    return place
  }

  /// Rounded to the tensor's own type.
  private func bytes(of rows: Tensor, as tensor: TensorView) throws -> [UInt8] {
    func refuse(_ value: Float) -> MergeError {
      MergeError(
        "\(tensor.name): the merged weight has \(value), which \(tensor.dtype.rawValue) doesn't hold; was the adapter trained "
          + "on this model?")
    }
    if let place = rows.firstNotFinite() { throw refuse(rows.floats()[place]) }
    switch tensor.elementType {
    case .f32: return model.backend.bytes(of: rows, as: .f32)
    case .bf16:
      let bytes = model.backend.bytes(of: rows, as: .bf16)
      // The greatest float32s round to infinity.
      for at in stride(from: 0, to: bytes.count, by: 2) where bytes[at + 1] & 0x7F == 0x7F && bytes[at] & 0x80 != 0 {
        throw refuse(rows.floats()[at / 2])
      }
      return bytes
    case .f16:
      return try rows.floats().flatMap { value in
        let half = Float16(value)
        guard half.isFinite else { throw refuse(value) }
        return withUnsafeBytes(of: half.bitPattern.littleEndian) { Array($0) }
      }
    case nil: throw MergeError("\(tensor.name): is \(tensor.dtype.rawValue); weights are F32, BF16 or F16")
    }
  }

  // MARK: Everything else

  /// The folder's other files. Its card says what the base is, and the merged model is another.
  private func smallFiles() throws -> [(name: String, bytes: Data)] {
    let folder = model.checkpoint.folder
    return try FileSystem.names(in: folder).compactMap { name in
      let url = folder.appendingPathComponent(name)
      var isFolder: ObjCBool = false
      guard !name.hasPrefix("."), name != "README.md", !Self.weightKinds.contains(url.pathExtension.lowercased()),
        !(name.hasSuffix(".index.json") && name != "model.safetensors.index.json"),
        FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue
      else { return nil }
      let bytes = Data(try InputFile.read(url))
      return (name, name == "config.json" ? Self.withoutBase(bytes) : bytes)
    }
  }

  /// config.json without the id of the base, whose weights these aren't: an adapter of the merged model would name it.
  static func withoutBase(_ config: Data) -> Data {
    let text = String(decoding: config, as: UTF8.self)
    guard let found = text.firstMatch(of: /"_name_or_path"\s*:\s*"(?:[^"\\]|\\.)*"/) else { return config }
    // The object's own, not one of the parts' in it.
    let before = text[..<found.range.lowerBound]
    guard before.count(where: { $0 == "{" }) - before.count(where: { $0 == "}" }) == 1 else { return config }
    return Data(text.replacingCharacters(in: found.range, with: "\"_name_or_path\": \"\"").utf8)
  }

  private func requireRoom(_ bytes: Int, for output: URL) throws {
    let place = output.deletingLastPathComponent()
    guard let free = FileSystem.freeBytes(in: place), free < bytes + (1 << 20) else { return }
    throw MergeError(
      "\(place.path): has \(free >> 20) MiB free; the merged model needs \(bytes >> 20) MiB there. Make room, or choose "
        + "another --output")
  }

  private var card: String {
    """
    ---
    base_model: "\(base.name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))"
    base_model_relation: merge
    library_name: transformers
    tags:
    - headimpact
    ---

    # \(base.name.split(separator: "/").last.map(String.init) ?? base.name), merged with \(adapterName)

    `\(base.name)` with the low-rank adapter `\(adapterName)` \(Self.signature): \(merged.count) of \
    \(model.checkpoint.tensors.count) tensors are changed.

    """
  }
}

/// Why a model can't be merged: which file or tensor, and what would be right.
public struct MergeError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  init(_ description: String) { self.description = description }
}
