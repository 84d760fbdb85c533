import Foundation
import IO
import Safetensors
import Testing

@Suite("Writing safetensors")
struct SafetensorsWriterTests {
  @Test("what is written is read back: names, types, shapes, bytes, metadata")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("out.safetensors")
    let name = "quote \" backslash \\ line\n é😀"
    try writeSafetensors(
      [
        TensorData(name: "bytes", dtype: .u8, shape: [3], bytes: [1, 2, 3]),
        TensorData(name: name, shape: [2, 1], values: [0.5, -1]),
        TensorData(name: "none", shape: [0], values: []),
      ], metadata: ["format": "pt", name: "\t"], to: url)
    let file = try SafetensorsFile(contentsOf: url)
    #expect(file.metadata == ["format": "pt", name: "\t"])
    #expect(file.tensors.count == 3)
    #expect(file.tensors["bytes"]?.withBytes { Array($0) } == [1, 2, 3])
    let floats = try #require(file.tensors[name])
    #expect(floats.shape == [2, 1] && floats.isAligned)
    #expect(floats.withBytes { Array($0.bindMemory(to: Float.self)) } == [0.5, -1])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["out.safetensors"])
  }

  @Test("a file being read keeps its bytes when it is rewritten")
  func replaces() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("out.safetensors")
    try writeSafetensors([TensorData(name: "x", shape: [1], values: [1])], to: url)
    let old = try SafetensorsFile(contentsOf: url)
    try writeSafetensors([TensorData(name: "x", shape: [1], values: [2])], to: url)
    let new = try SafetensorsFile(contentsOf: url)
    #expect(old.tensors["x"]?.withBytes { $0.load(as: Float.self) } == 1)
    #expect(new.tensors["x"]?.withBytes { $0.load(as: Float.self) } == 2)
  }

  @Test("into a missing folder, or over a folder, fails in words and leaves nothing behind")
  func failures() throws {
    let folder = try TemporaryFolder()
    let tensor = TensorData(name: "x", shape: [1], values: [1])
    let missing = folder.url.appendingPathComponent("no/out.safetensors")
    func fault(_ url: URL) -> String? {
      (#expect(throws: EnvironmentFault.self) { try writeSafetensors([tensor], to: url) })?.description
    }
    #expect(fault(missing)?.contains("No such file") == true)
    let taken = folder.url.appendingPathComponent("taken")
    try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: false)
    #expect(fault(taken)?.contains("renamed to its final name") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["taken"])
  }
}
