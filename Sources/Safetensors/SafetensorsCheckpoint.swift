import Foundation
import IO

/// The weights of a model folder as published: `model.safetensors`, or `model.safetensors.index.json` and the shards
/// that it names.
///
/// As in transformers, the index determines which files are read, and the files determine which tensors exist.
public struct SafetensorsCheckpoint: Sendable {
  public let folder: URL
  /// Every tensor of every weight file.
  public let tensors: [String: TensorView]
  /// The weight files, in the byte order of their names.
  public let files: [SafetensorsFile]
  /// Tensors that the index names and no shard holds, with the shard that it names for each.
  public let unheld: [String: String]
  /// What the user should know of the folder's weight files: where the index and the shards disagree.
  public let remarks: [String]

  private static let singleName = "model.safetensors"
  private static let indexName = "model.safetensors.index.json"

  /// - Throws: `SafetensorsError` if a file is missing, half there or malformed, a shard's name leaves the folder, or
  ///   two shards hold one tensor. If the folder has other weights, or none, the error says what it found and what to
  ///   do.
  public init(folder: URL) throws {
    self.folder = folder
    let index = folder.appendingPathComponent(Self.indexName)
    let single = folder.appendingPathComponent(Self.singleName)
    // Hugging Face's own order: a single file wins over an index left beside it.
    if ModelFile.isThere(single) {
      files = [try SafetensorsFile(contentsOf: single)]
      tensors = files[0].tensors
      (unheld, remarks) = ([:], [])
    } else if ModelFile.isThere(index) {
      let map = try Self.readIndex(index)
      (files, tensors) = try Self.readShards(map, index: index, folder: folder)
      let tensors = tensors
      unheld = map.filter { tensors[$0.key] == nil }
      remarks = Self.disagreements(map, tensors, index: index)
    } else {
      let hint = FolderHint.describe(folder).map { ": \($0)" } ?? ""
      throw SafetensorsError(folder.path, "holds neither \(Self.singleName) nor \(Self.indexName)\(hint)")
    }
  }

  /// - Throws: `SafetensorsError` if there is no such tensor.
  public func tensor(named name: String) throws -> TensorView {
    guard let tensor = tensors[name] else { throw SafetensorsError(folder.path, tensor: name, "is missing") }
    return tensor
  }

  /// SHA-256 over each weight file's size (u64, little-endian) and header (with its eight length bytes), the files in
  /// the byte order of their names: `model_sha256` of a result. It costs no read of the weights themselves.
  public func headerDigest() throws -> String {
    var digest = try SHA256()
    for file in files {
      try withUnsafeBytes(of: UInt64(file.file.count).littleEndian) { try digest.update($0) }
      try file.file.withBytes(in: file.headerRange) { try digest.update($0) }
    }
    return try digest.finalize()
  }

  // MARK: Shards

  private static func readShards(
    _ map: [String: String], index: URL, folder: URL
  ) throws -> ([SafetensorsFile], [String: TensorView]) {
    // Sorted by bytes: `String`'s own order follows Unicode's canonical forms.
    let names = Set(map.values).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let missing = names.filter { !ModelFile.isThere(folder.appendingPathComponent($0)) }
    guard missing.isEmpty else {
      let hint = FolderHint.describe(folder).map { "; \($0)" } ?? ""
      throw SafetensorsError(
        index.path,
        "names \(listing(missing)), which \(missing.count == 1 ? "is" : "are") not in the folder: the download isn't finished, or "
          + "the index is another model's\(hint)")
    }
    var files: [SafetensorsFile] = []
    var tensors: [String: TensorView] = [:]
    for name in names {
      let url = folder.appendingPathComponent(name)
      let file = try SafetensorsFile(contentsOf: url)
      // In the order of names, so that the same mistake gives the same message.
      for (tensorName, tensor) in file.tensors.sorted(by: { $0.key < $1.key }) {
        if let other = tensors.updateValue(tensor, forKey: tensorName) {
          throw SafetensorsError(
            url.path, tensor: tensorName,
            "is in '\(printable(other.file.url.lastPathComponent))' too: one of the shards is left over")
        }
      }
      files.append(file)
    }
    return (files, tensors)
  }

  /// Where the index and the shards that it names disagree on tensors, in one sentence.
  private static func disagreements(
    _ map: [String: String], _ tensors: [String: TensorView], index: URL
  ) -> [String] {
    var parts: [String] = []
    let unheld = map.keys.filter { tensors[$0] == nil }.sorted()
    if !unheld.isEmpty { parts.append("it names \(listing(unheld)), which no shard holds") }
    let unnamed = tensors.keys.filter { map[$0] == nil }.sorted()
    if !unnamed.isEmpty { parts.append("it doesn't name \(listing(unnamed)), which a shard holds") }
    let elsewhere = tensors.values.filter { tensor in
      map[tensor.name].map { $0.split(separator: "/").last.map(String.init) != tensor.file.url.lastPathComponent }
        ?? false
    }.map(\.name).sorted()
    if !elsewhere.isEmpty { parts.append("it places \(listing(elsewhere)) in other shards than hold them") }
    return parts.isEmpty
      ? [] : ["\(index.path) doesn't agree with its shards, whose tensors are used: \(parts.joined(separator: "; "))"]
  }

  /// Some of the names, and the number of the others.
  private static func listing(_ names: [String]) -> String {
    let shown = names.prefix(4).map { "'\(printable($0))'" }.joined(separator: ", ")
    return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
  }

  /// The index's `weight_map`: tensor name to shard.
  private static func readIndex(_ url: URL) throws -> [String: String] {
    let file = try SafetensorsFile.map(url)
    if let kind = file.withBytes({ FileKind.recognise($0) }) { throw SafetensorsError(url.path, kind.complaint) }
    guard file.count <= SafetensorsFile.maximumHeaderByteCount else {
      throw SafetensorsError(
        url.path, "has \(file.count) bytes; an index of at most \(SafetensorsFile.maximumHeaderByteCount) is read")
    }
    var map: [String: String]?
    try file.withBytes { bytes in
      let index = HeaderReader(path: url.path, origin: 0)
      try index.read(bytes, "the index") { key, reader in
        guard key == "weight_map" else { return try index.skip("the value of '\(printable(key))'", &reader) }
        var entries: [String: String] = [:]
        try index.object("weight_map", &reader) { tensor, reader in
          let shard = try index.string("the shard of tensor '\(printable(tensor))'", &reader)
          guard staysInside(shard) else {
            throw index.error(
              "the shard name '\(printable(shard))' is not a path inside the model folder", at: reader.lastStart,
              tensor: tensor)
          }
          entries[tensor] = shard
        }
        map = entries
      }
    }
    guard let map, !map.isEmpty else { throw SafetensorsError(url.path, "has no weight_map with entries") }
    return map
  }

  private static func staysInside(_ name: String) -> Bool {
    !name.utf8.contains(0) && RelativePath.isPlain(name)
  }
}
