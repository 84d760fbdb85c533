import Foundation
import Safetensors
import Testing

@Suite("A safetensors file")
struct SafetensorsFileTests {
  /// Written by the reference implementation (safetensors 0.8.0 for Python): b [[1, -2], [3.5, 0]] f32, a [1.5, -1]
  /// bf16, é [7, -1] i64, empty [0, 3] f32, metadata format = pt.
  static let reference =
    "CAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCLDqSI6eyJkdHlwZSI6Ikk2NCIsInNoYXBlIjpbMl0sImRh"
    + "dGFfb2Zmc2V0cyI6WzAsMTZdfSwiYiI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwyXSwiZGF0YV9vZmZzZXRzIjpbMTYsMzJd"
    + "fSwiZW1wdHkiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsM10sImRhdGFfb2Zmc2V0cyI6WzMyLDMyXX0sImEiOnsiZHR5cGUi"
    + "OiJCRjE2Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbMzIsMzZdfX0gICAHAAAAAAAAAP//////////AACAPwAAAMAAAGBA"
    + "AAAAAMA/gL8="

  @Test("as the reference implementation writes it is read: types, shapes, values, metadata")
  func readsReference() throws {
    let folder = try TemporaryFolder()
    let bytes = [UInt8](try #require(Data(base64Encoded: Self.reference)))
    let file = try SafetensorsFile(contentsOf: folder.write(bytes, as: "reference.safetensors"))
    #expect(file.metadata == ["format": "pt"])
    #expect(file.tensors.keys.sorted() == ["a", "b", "empty", "é"])
    let b = try #require(file.tensors["b"])
    #expect(b.dtype == .f32 && b.shape == [2, 2] && b.count == 4 && b.isAligned)
    #expect(b.withBytes { Array($0.bindMemory(to: Float.self)) } == [1, -2, 3.5, 0])
    let a = try #require(file.tensors["a"])
    #expect(a.dtype == .bf16 && a.withBytes { Array($0.bindMemory(to: UInt16.self)) } == [0x3FC0, 0xBF80])
    #expect(file.tensors["é"]?.withBytes { Array($0.bindMemory(to: Int64.self)) } == [7, -1])
    #expect(file.tensors["empty"]?.shape == [0, 3] && file.tensors["empty"]?.byteCount == 0)
  }

  @Test("keeps its bytes readable after file and folder are gone from the disk")
  func outlivesTheFile() throws {
    let tensor: TensorView
    do {
      let folder = try TemporaryFolder()
      let url = try folder.write(header: "{\(entry("x", 0, 3))}", dataByteCount: 3)
      tensor = try #require(try SafetensorsFile(contentsOf: url).tensors["x"])
    }
    #expect(tensor.withBytes { Array($0) } == [0, 0, 0])
  }

  @Test("with no tensors is empty, not an error")
  func empty() throws {
    let folder = try TemporaryFolder()
    #expect(try SafetensorsFile(contentsOf: folder.write(header: "{}", dataByteCount: 0)).tensors.isEmpty)
  }

  @Test("decodes every JSON escape in names and metadata")
  func escapes() throws {
    let folder = try TemporaryFolder()
    let header =
      #"{"__metadata__":{"k\"\\\/\b\f\n\r\t":"\u00e9\ud83d\ude00"},"a\u0062":"#
      + #"{"dtype":"U8","shape":[],"data_offsets":[0,1]}}"#
    let file = try SafetensorsFile(contentsOf: folder.write(header: header, dataByteCount: 1))
    #expect(file.metadata == ["k\"\\/\u{8}\u{C}\n\r\t": "é😀"])
    #expect(file.tensors["ab"]?.shape == [])
  }

  @Test(
    "with a malformed header is refused, naming file and mistake",
    arguments: [
      ("[]", 0, "must be a JSON object"),
      ("", 0, "isn't JSON: the text ends"),
      ("{", 0, "isn't JSON: the text ends"),
      ("{} x", 0, "something follows the end"),
      ("{\"x\":3}", 0, "must be a JSON object"),
      ("{\"x\":{}}", 0, "needs dtype, shape and data_offsets"),
      ("{\"x", 0, "the string that begins here does not end"),
      ("{\"x\u{1}\":1}", 0, "a control character stands unescaped"),
      (#"{"\ud800":1}"#, 0, "half of a surrogate pair"),
      (#"{"\u12"#, 0, "does not end"),
      (#"{"\q":1}"#, 0, "an invalid escape"),
      ("{\(entry("x", 0, 2)),\(entry("x", 2, 4))}", 4, "has the key 'x' twice"),
      (#"{"__metadata__":{"a":1}}"#, 0, "the metadata value of 'a' must be a string"),
      (#"{"x":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}"#, 1, "unknown dtype 'F8'"),
      (#"{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"y":1}}"#, 1, "unknown key 'y'"),
      (#"{"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#, 1, "whole number of at least 0"),
      (#"{"x":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}"#, 1, "whole number of at least 0"),
      (#"{"x":{"dtype":"U8","shape":[1e3],"data_offsets":[0,1]}}"#, 1, "whole number of at least 0"),
      (#"{"x":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,1]}}"#, 1, "too large for 63 bits"),
      (
        #"{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,1]}}"#, 1,
        "larger than any memory"
      ),
      (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "is 8 bytes, but data_offsets [0, 4] hold 4"),
      (#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}"#, 2, "end before they begin"),
      (#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2,4]}}"#, 2, "more than 2 numbers"),
      (#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[0]}}"#, 2, "data_offsets (two numbers)"),
      ("{\(entry("x", 0, 8))}", 7, "ends at byte 8 of the data, which has 7"),
      ("{\(entry("x", 0, 4)),\(entry("y", 2, 6))}", 6, "inside the tensor before it"),
      ("{\(entry("x", 0, 4)),\(entry("y", 5, 6))}", 6, "leaving a gap after byte 4"),
      ("{\(entry("x", 1, 4))}", 4, "leaving a gap after byte 0"),
      ("{\(entry("x", 0, 4))}", 6, "has 2 bytes after its last tensor"),
    ])
  func malformed(header: String, dataByteCount: Int, message: String) throws {
    let folder = try TemporaryFolder()
    let url = try folder.write(header: header, dataByteCount: dataByteCount)
    let error = try #require(readingError(url))
    #expect(error.path == url.path)
    #expect(error.description.contains(message), "got: \(error)")
  }

  @Test("nested without end is refused before the stack runs out")
  func nesting() throws {
    let folder = try TemporaryFolder()
    let deep = #"{"weight_map":{"x":"a"},"metadata":"# + String(repeating: "[", count: 1_000_000)
    try folder.write(Array(deep.utf8), as: "model.safetensors.index.json")
    let error = try #require(errorOf { _ = try SafetensorsCheckpoint(folder: folder.url) })
    #expect(error.description.contains("nested deeper than 32 levels"))
  }

  @Test(
    "whose header length lies is refused without reading it",
    arguments: [
      (UInt64.max, "at most 100000000 are read"), (1 << 40, "at most 100000000 are read"),
      (100_000_000, "only 2 follow"), (3, "only 2 follow"),
    ])
  func lyingLength(length: UInt64, message: String) throws {
    let folder = try TemporaryFolder()
    let error = try #require(readingError(folder.write(littleEndian(length) + Array("{}".utf8), as: "x")))
    #expect(error.offset == 0)
    #expect(error.description.contains(message), "got: \(error)")
  }

  @Test("cut anywhere is refused", arguments: 0..<40)
  func truncated(keptFraction: Int) throws {
    let folder = try TemporaryFolder()
    let bytes = [UInt8](try #require(Data(base64Encoded: Self.reference)))
    let url = try folder.write(Array(bytes.prefix(bytes.count * keptFraction / 40)), as: "cut.safetensors")
    #expect(readingError(url)?.path == url.path)
  }

  @Test("with any one header byte changed is read or refused, never a trap")
  func mutated() throws {
    let folder = try TemporaryFolder()
    let bytes = [UInt8](try #require(Data(base64Encoded: Self.reference)))
    for index in 0..<bytes.count - 44 {
      for replacement in [0, 0x22, 0x30, 0x39, 0x5B, 0x7B, 0xFF] as [UInt8] {
        var changed = bytes
        changed[index] = replacement
        let url = try folder.write(changed, as: "mutated.safetensors")
        do {
          for tensor in try SafetensorsFile(contentsOf: url).tensors.values { #expect(tensor.withBytes(\.count) >= 0) }
        } catch {
          #expect(error is SafetensorsError)
        }
      }
    }
  }

  @Test("that is a folder, or missing, or a named pipe is refused in words")
  func noRegularFile() throws {
    let folder = try TemporaryFolder()
    #expect(readingError(folder.url)?.description.contains("is a directory") == true)
    #expect(readingError(folder.url.appendingPathComponent("no"))?.description.contains("No such file") == true)
    let pipe = folder.url.appendingPathComponent("pipe")
    #expect(mkfifo(pipe.path, 0o600) == 0)
    #expect(readingError(pipe)?.description.contains("not a regular file") == true)
  }

  @Test("a hostile tensor name is shortened and stripped of control characters in the message")
  func hostileName() throws {
    let folder = try TemporaryFolder()
    let name = #"\u001b[31m"# + String(repeating: "n", count: 5000)
    let url = try folder.write(
      header: #"{"\#(name)":{"dtype":"U8","shape":[1],"data_offsets":[0,9]}}"#, dataByteCount: 9)
    let description = try #require(readingError(url)).description
    #expect(description.utf8.count < 1000 && !description.contains("\u{1B}"))
  }
}
