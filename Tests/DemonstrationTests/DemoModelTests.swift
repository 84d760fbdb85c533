import Foundation
import IO
import TestSupport
import Testing

@testable import Demonstration

@Suite("The demonstration model")
struct DemoModelTests {
  @Test("the bundled folder holds a published model's files and no others")
  func files() throws {
    let folder = try DemoModel.bundledFolder()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == DemoModel.files)
  }

  @Test("it is a Qwen2-VL of 8 layers of 8 heads, in bf16")
  func configuration() throws {
    let file = try DemoModel.bundledFolder().appendingPathComponent("config.json")
    let config = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    let text = try #require(config["text_config"] as? [String: Any])
    #expect(config["model_type"] as? String == "qwen2_vl")
    #expect(config["dtype"] as? String == "bfloat16")
    #expect(text["num_hidden_layers"] as? Int == 8)
    #expect(text["num_attention_heads"] as? Int == 8)
  }

  @Test("its weights take less than 10 MB")
  func size() throws {
    let file = try DemoModel.bundledFolder().appendingPathComponent("model.safetensors")
    #expect(try Data(contentsOf: file).count < 10_000_000)
  }

  @Test("writing it gives the bundled bytes, and writing again replaces them when asked")
  func write() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let target = folder.appendingPathComponent("model")
      try DemoModel.write(to: target)
      try Data("spoilt".utf8).write(to: target.appendingPathComponent("config.json"))
      #expect(throws: FolderError.self) { try DemoModel.write(to: target) }
      try DemoModel.write(to: target, overwrites: true)
      for file in DemoModel.files {
        #expect(
          try Data(contentsOf: target.appendingPathComponent(file))
            == Data(contentsOf: DemoModel.bundledFolder().appendingPathComponent(file)), "\(file)")
      }
    }
  }

  @Test("somebody else's model folder is refused and left alone")
  func foreignFolder() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let config = folder.appendingPathComponent("config.json")
      try Data("{}".utf8).write(to: config)
      #expect(throws: FolderError.self) { try DemoModel.write(to: folder) }
      #expect(try Data(contentsOf: config) == Data("{}".utf8))
    }
  }
}
