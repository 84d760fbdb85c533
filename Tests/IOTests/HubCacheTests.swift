import Foundation
import IO
import TestSupport
import Testing

@Suite("The Hugging Face Hub's cache")
struct HubCacheTests {
  private func cache(_ environment: [String: String]) -> String {
    HubCache(environment: ["HOME": "/home/ada"].merging(environment) { $1 }).folder.path
  }

  @Test("is where huggingface_hub has it")
  func places() {
    #expect(cache([:]) == "/home/ada/.cache/huggingface/hub")
    #expect(cache(["XDG_CACHE_HOME": "/c"]) == "/c/huggingface/hub")
    #expect(cache(["XDG_CACHE_HOME": "/c", "HF_HOME": "~/hf"]) == "/home/ada/hf/hub")
    #expect(cache(["HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"]) == "/old")
    #expect(cache(["HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"]) == "/new")
    #expect(cache(["HF_HUB_CACHE": ""]) == "/home/ada/.cache/huggingface/hub")
  }

  /// A cache with the snapshots of ORG/NAME, of which `main` is the last downloaded.
  private func cache(in scratch: ScratchFolder, snapshots: [String], main: String?) throws -> HubCache {
    let cache = HubCache(folder: scratch.file("hub"))
    let model = cache.folder.appendingPathComponent("models--Org--My-Model.2")
    for name in snapshots {
      try FileManager.default.createDirectory(
        at: model.appendingPathComponent("snapshots/\(name)"), withIntermediateDirectories: true)
    }
    if let main {
      try FileManager.default.createDirectory(
        at: model.appendingPathComponent("refs"), withIntermediateDirectories: true)
      try Data(main.utf8).write(to: model.appendingPathComponent("refs/main"))
    }
    return cache
  }

  @Test("a model's name is the commit that its branch main was at")
  func found() throws {
    try ScratchFolder.with { scratch throws in
      let cache = try cache(in: scratch, snapshots: ["aaa", "bbb"], main: "bbb")
      let folder = try cache.model("Org/My-Model.2")
      #expect(folder.path == cache.folder.path + "/models--Org--My-Model.2/snapshots/bbb")
      #expect(modelName(ofFolder: folder) == "My-Model.2")
      #expect(HubSnapshot(folder: folder)?.revision == "bbb")
      #expect(HubSnapshot(folder: folder)?.id.description == "Org/My-Model.2")
    }
  }

  @Test("what isn't there is refused with the command that downloads it")
  func missing() throws {
    try ScratchFolder.with { scratch throws in
      let cache = try cache(in: scratch, snapshots: ["aaa"], main: nil)
      for (text, words) in [
        ("Org/Other", ["no such folder", cache.folder.path, "hf download Org/Other"]),
        ("Org/My-Model.2", ["hf download Org/My-Model.2", "snapshots/aaa"]),
      ] {
        let error = #expect(throws: UnknownModel.self) { try cache.model(text) }
        for word in words { #expect(error?.description.contains(word) == true, "\(text): \(word)") }
      }
    }
  }

  @Test("a reference that leads out of the cache is none", arguments: ["../../x", ".", "a/b", ""])
  func strayReference(main: String) throws {
    try ScratchFolder.with { scratch throws in
      let cache = try cache(in: scratch, snapshots: ["aaa"], main: main)
      #expect(throws: UnknownModel.self) { try cache.model("Org/My-Model.2") }
    }
  }

  @Test("a path is a folder, whether it is there or not; a folder comes before the cache")
  func folders() throws {
    try ScratchFolder.with { scratch throws in
      let cache = try cache(in: scratch, snapshots: ["aaa"], main: "aaa")
      for path in ["/models/qwen", "./Org/My-Model.2", "model", "a/b/c", "../Org/x", "Org/"] {
        #expect(try cache.model(path) == fileURL(path))
      }
      let here = scratch.file("there")
      try FileManager.default.createDirectory(at: here, withIntermediateDirectories: true)
      #expect(try cache.model(here.path).path == here.path)
      #expect(modelName(ofFolder: here) == "there")
    }
  }
}
