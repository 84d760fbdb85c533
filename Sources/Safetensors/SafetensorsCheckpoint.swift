import Foundation

/// The weights of a model folder as published: `model.safetensors`, or `model.safetensors.index.json` and the shards
/// that it names.
public struct SafetensorsCheckpoint: Sendable {
  public let folder: URL
  /// Every tensor of every weight file.
  public let tensors: [String: TensorView]
  /// The weight files, in the byte order of their names.
  public let files: [SafetensorsFile]

  private static let singleName = "model.safetensors"
  private static let indexName = "model.safetensors.index.json"

  /// - Throws: `SafetensorsError` where a file is missing or malformed, a shard's name leaves the folder, the index
  ///   and the shards disagree, or two shards hold one tensor.
  public init(folder: URL) throws {
    self.folder = folder
    let index = folder.appendingPathComponent(Self.indexName)
    let single = folder.appendingPathComponent(Self.singleName)
    // Hugging Face's own order: a single file wins over an index left beside it.
    if FileManager.default.fileExists(atPath: single.path) {
      files = [try SafetensorsFile(contentsOf: single)]
      tensors = files[0].tensors
    } else if FileManager.default.fileExists(atPath: index.path) {
      (files, tensors) = try Self.readShards(index: index, folder: folder)
    } else {
      throw SafetensorsError(folder.path, "holds neither \(Self.singleName) nor \(Self.indexName)")
    }
  }

  /// - Throws: `SafetensorsError` where there is no such tensor.
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

  private static func readShards(index: URL, folder: URL) throws -> ([SafetensorsFile], [String: TensorView]) {
    let map = try readIndex(index)
    // Sorted by bytes: `String`'s own order follows Unicode's canonical forms.
    let names = Set(map.values).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    var files: [SafetensorsFile] = []
    var tensors: [String: TensorView] = [:]
    for name in names {
      let url = folder.appendingPathComponent(name)
      guard FileManager.default.fileExists(atPath: url.path) else {
        throw SafetensorsError(index.path, "names the shard '\(printable(name))', which is not in the folder")
      }
      let file = try SafetensorsFile(contentsOf: url)
      for (tensorName, tensor) in file.tensors {
        guard let shard = map[tensorName] else {
          throw SafetensorsError(url.path, tensor: tensorName, "is not in the index \(indexName)")
        }
        guard shard == name else {
          throw SafetensorsError(
            url.path, tensor: tensorName, "is here, but the index \(indexName) places it in '\(printable(shard))'")
        }
        tensors[tensorName] = tensor
      }
      files.append(file)
    }
    // In the order of names, so that the same mistake gives the same message.
    for name in map.keys.sorted() where tensors[name] == nil {
      throw SafetensorsError(
        index.path, tensor: name, "is placed in '\(printable(map[name] ?? ""))', which doesn't hold it")
    }
    return (files, tensors)
  }

  /// The index's `weight_map`: tensor name to shard.
  private static func readIndex(_ url: URL) throws -> [String: String] {
    let file = try MappedFile(contentsOf: url)
    guard file.count <= SafetensorsFile.maximumHeaderByteCount else {
      throw SafetensorsError(
        url.path, "has \(file.count) bytes; an index of at most \(SafetensorsFile.maximumHeaderByteCount) is read")
    }
    var map: [String: String]?
    try file.withBytes { bytes in
      var scanner = JSONScanner(bytes, path: url.path, origin: 0)
      try scanner.object("the index") { key, scanner in
        guard key == "weight_map" else { return try scanner.skip("the value of '\(printable(key))'") }
        var entries: [String: String] = [:]
        try scanner.object("weight_map") { tensor, scanner in
          let shard = try scanner.string("the shard of tensor '\(printable(tensor))'")
          guard staysInside(shard) else {
            throw scanner.error(
              "the shard name '\(printable(shard))' is no path inside the model folder", tensor: tensor)
          }
          entries[tensor] = shard
        }
        map = entries
      }
      try scanner.end()
    }
    guard let map, !map.isEmpty else { throw SafetensorsError(url.path, "has no weight_map with entries") }
    return map
  }

  private static func staysInside(_ name: String) -> Bool {
    !name.utf8.contains(0)
      && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !["", ".", ".."].contains($0) }
  }
}
