import Foundation
import Safetensors
import Testing

@Suite("A checkpoint folder")
struct SafetensorsCheckpointTests {
  private func checkpointError(_ folder: TemporaryFolder) -> SafetensorsError? {
    errorOf { _ = try SafetensorsCheckpoint(folder: folder.url) }
  }

  /// Two shards holding x, y and z, and an index of the given `weight_map`.
  private func sharded(_ weightMap: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write(header: "{\(entry("x", 0, 4)),\(entry("y", 4, 6))}", dataByteCount: 6, as: "a.safetensors")
    try folder.write(header: "{\(entry("z", 0, 5))}", dataByteCount: 5, as: "b.safetensors")
    try folder.write(
      Array(#"{"metadata":{"total_size":11,"more":[1.5e3,true,null,{}]},"weight_map":\#(weightMap)}"#.utf8),
      as: "model.safetensors.index.json")
    return folder
  }

  @Test("with shards gives the tensors of all of them")
  func shards() throws {
    let folder = try sharded(#"{"x":"a.safetensors","y":"a.safetensors","z":"b.safetensors"}"#)
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url)
    #expect(checkpoint.tensors.keys.sorted() == ["x", "y", "z"])
    #expect(checkpoint.files.map(\.file.url.lastPathComponent) == ["a.safetensors", "b.safetensors"])
    #expect(try checkpoint.tensor(named: "z").shape == [5])
    #expect(errorOf { _ = try checkpoint.tensor(named: "w") }?.description.contains("tensor 'w': is missing") == true)
  }

  @Test(
    "whose index is wrong is refused, naming it",
    arguments: [
      (
        #"{"x":"a.safetensors","y":"a.safetensors","z":"c.safetensors"}"#, "'c.safetensors', which is not in the folder"
      ),
      (#"{"x":"../a.safetensors"}"#, "no path inside the model folder"),
      (#"{"x":"/etc/passwd"}"#, "no path inside the model folder"),
      (#"{"x":"s/../../a"}"#, "no path inside the model folder"),
      (#"{"x":""}"#, "no path inside the model folder"),
      (#"{"x":"a\u0000b"}"#, "no path inside the model folder"),
      (#"{"x":"a.safetensors","x":"b.safetensors"}"#, "has the key 'x' twice"),
      (#"{"x":"a.safetensors","z":"b.safetensors"}"#, "tensor 'y': is not in the index"),
      (
        #"{"x":"a.safetensors","y":"b.safetensors","z":"b.safetensors"}"#,
        "tensor 'y': is here, but the index model.safetensors.index.json places it in 'b.safetensors'"
      ),
      (
        #"{"x":"a.safetensors","y":"a.safetensors","z":"b.safetensors","w":"a.safetensors"}"#,
        "tensor 'w': is placed in 'a.safetensors', which doesn't hold it"
      ),
      ("{}", "has no weight_map with entries"),
      ("[]", "weight_map must be a JSON object"),
      (#"{"x":7}"#, "the shard of tensor 'x' must be a string"),
    ])
  func wrongIndex(weightMap: String, message: String) throws {
    let folder = try sharded(weightMap)
    let error = try #require(checkpointError(folder))
    #expect(error.description.contains(message), "got: \(error)")
    #expect(error.path.hasPrefix(folder.url.path))
  }

  @Test("without weights is refused, saying what is looked for")
  func noWeights() throws {
    let folder = try TemporaryFolder()
    #expect(checkpointError(folder)?.description.contains("neither model.safetensors nor") == true)
  }

  @Test("has a digest of its headers and sizes: stable, and another when either changes")
  func digest() throws {
    let folder = try sharded(#"{"x":"a.safetensors","y":"a.safetensors","z":"b.safetensors"}"#)
    let first = try SafetensorsCheckpoint(folder: folder.url).headerDigest()
    #expect(try SafetensorsCheckpoint(folder: folder.url).headerDigest() == first)
    // By its definition, in one piece.
    var expected: [UInt8] = []
    for name in ["a.safetensors", "b.safetensors"] {
      let bytes = [UInt8](try Data(contentsOf: folder.url.appendingPathComponent(name)))
      let headerByteCount = 8 + Int(bytes[0]) + Int(bytes[1]) << 8
      expected += littleEndian(UInt64(bytes.count)) + bytes.prefix(headerByteCount)
    }
    #expect(try expected.withUnsafeBytes { try SHA256.hex(of: $0) } == first)
    try folder.write(header: "{\(entry("z", 0, 5))} ", dataByteCount: 5, as: "b.safetensors")
    #expect(try SafetensorsCheckpoint(folder: folder.url).headerDigest() != first)
  }
}

@Suite("SHA-256")
struct SHA256Tests {
  @Test(
    "gives the published digests",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ])
  func published(text: String, digest: String) throws {
    #expect(try Array(text.utf8).withUnsafeBytes { try SHA256.hex(of: $0) } == digest)
    let folder = try TemporaryFolder()
    #expect(try SHA256.hex(ofFile: folder.write(Array(text.utf8), as: "text")) == digest)
  }
}
