import Foundation
import IO
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
      (
        #"{"x":"d.safetensors","y":"a.safetensors","z":"c.safetensors"}"#,
        "'c.safetensors', 'd.safetensors', which are not in the folder"
      ),
      (#"{"x":"../a.safetensors"}"#, "inside the model folder"),
      (#"{"x":"/etc/passwd"}"#, "inside the model folder"),
      (#"{"x":"s/../../a"}"#, "inside the model folder"),
      (#"{"x":""}"#, "inside the model folder"),
      (#"{"x":"a\u0000b"}"#, "inside the model folder"),
      (#"{"x":"a.safetensors","x":"b.safetensors"}"#, "has the key 'x' twice"),
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

  @Test(
    "whose index disagrees with its shards on tensors has the shards' tensors, and says so",
    arguments: [
      (#"{"x":"a.safetensors","z":"b.safetensors"}"#, "doesn't name 'y'", []),
      (#"{"x":"a.safetensors","y":"b.safetensors","z":"b.safetensors"}"#, "places 'y' in other shards", []),
      (
        #"{"x":"a.safetensors","y":"a.safetensors","z":"b.safetensors","w":"a.safetensors"}"#,
        "names 'w', which no shard holds",
        ["w"]
      ),
    ])
  func disagreement(weightMap: String, remark: String, unheld: [String]) throws {
    let folder = try sharded(weightMap)
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url)
    #expect(checkpoint.tensors.keys.sorted() == ["x", "y", "z"])
    #expect(checkpoint.remarks.count == 1 && checkpoint.remarks[0].contains(remark), "\(checkpoint.remarks)")
    #expect(checkpoint.unheld.keys.sorted() == unheld)
  }

  @Test("one tensor in two shards is refused, naming both")
  func twice() throws {
    let folder = try sharded(#"{"x":"a.safetensors","z":"b.safetensors"}"#)
    try folder.write(header: "{\(entry("x", 0, 4))}", dataByteCount: 4, as: "b.safetensors")
    let error = try #require(checkpointError(folder))
    #expect(error.tensor == "x" && error.description.contains("a.safetensors") && error.path.hasSuffix("b.safetensors"))
  }

  @Test(
    "with something else in the place of its weights is refused, saying what it is",
    arguments: [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"), ("", "is empty"),
      ("<!DOCTYPE html><html></html>", "web page"), ("PK\u{3}\u{4}\u{14}\0\0\0\0\0", "zip archive"),
      ("GGUF\u{3}\0\0\0\0\0\0", "GGUF"), (String(repeating: "\0", count: 64), "zeros"),
    ])
  func somethingElse(text: String, word: String) throws {
    for name in ["model.safetensors", "model.safetensors.index.json"] {
      let folder = try TemporaryFolder()
      try folder.write(Array(text.utf8), as: name)
      let error = try #require(checkpointError(folder))
      #expect(error.path.hasSuffix(name))
      if !text.isEmpty || name == "model.safetensors" { #expect(error.reason.contains(word), "\(error)") }
    }
  }

  @Test("with a link to nothing for its weights is refused, naming what it links to")
  func dangling() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createSymbolicLink(
      atPath: folder.url.appendingPathComponent("model.safetensors").path, withDestinationPath: "../../blobs/not-there")
    #expect(checkpointError(folder)?.description.contains("../../blobs/not-there") == true)
  }

  @Test("with a pickle alone is refused, saying how to make safetensors of it")
  func pickle() throws {
    let folder = try TemporaryFolder()
    try folder.write([0x50, 0x4B, 3, 4], as: "pytorch_model.bin")
    #expect(checkpointError(folder)?.description.contains("save_pretrained") == true)
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
