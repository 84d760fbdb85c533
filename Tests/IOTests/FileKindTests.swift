import Foundation
import IO
import TestSupport
import Testing

@Suite("What a file is instead")
struct FileKindTests {
  @Test(
    "is told by its first bytes",
    arguments: [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", FileKind.gitLFSPointer),
      ("<!DOCTYPE html><html>", .webPage), ("\n  <?xml version=\"1.0\"?><Error>", .webPage),
      ("\u{FEFF}{}", .byteOrderMark), ("{\0\"\0", .utf16), ("\0[\0]", .utf16),
      ("PK\u{3}\u{4}\u{14}", .zip), ("GGUF\u{3}", .gguf), ("BZh91AY", .compressed),
      ("Entry not found", .serverMessage), (String(repeating: "\0", count: 64), .zeros),
    ])
  func recognised(_ text: String, _ kind: FileKind) {
    #expect(FileKind.recognise(text.utf8) == kind)
    #expect(!kind.complaint.isEmpty)
  }

  @Test(
    "is told for binary ones",
    arguments: [
      ([0x1F, 0x8B, 8, 0], FileKind.gzip), ([0x80, 0x02, 0x7D], .pickle), ([0xFF, 0xFE, 0x7B, 0], .utf16),
      ([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A], .hdf5), ([0x28, 0xB5, 0x2F, 0xFD], .compressed),
    ] as [([UInt8], FileKind)])
  func binary(_ bytes: [UInt8], _ kind: FileKind) {
    #expect(FileKind.recognise(bytes) == kind)
  }

  @Test(
    "is not told of what may well be JSON or text", arguments: ["", "{}", "[", " {\"a\": 1}", "#version: 0.2", "{"])
  func unknown(_ text: String) {
    #expect(FileKind.recognise(text.utf8) == nil)
  }
}

@Suite("Reading a model folder's small files")
struct ModelFileTests {
  private func reason(_ url: URL, upTo limit: Int = 100) -> String? {
    do {
      _ = try ModelFile.text(url, upTo: limit)
      return nil
    } catch let error as UnusableFile {
      #expect(error.path == url.path)
      return error.reason
    } catch {
      return "\(type(of: error))"
    }
  }

  @Test("names what is wrong with the file")
  func unusable() throws {
    try ScratchFolder.with { folder in
      let file = folder.file("config.json")
      try Data("x".utf8).write(to: folder.file("other"))
      #expect(reason(file)?.contains("no such file") == true)
      try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: "../../blobs/abc")
      #expect(reason(file)?.contains("../../blobs/abc") == true)
      try FileManager.default.removeItem(at: file)
      try Data().write(to: file)
      #expect(reason(file)?.contains("is empty") == true)
      try Data("{}".utf8).write(to: file)
      #expect(reason(file) == nil)
      #expect(reason(file, upTo: 1)?.contains("larger") == true)
      try Data("version https://git-lfs.github.com/spec/v1\n".utf8).write(to: file)
      #expect(reason(file)?.contains("git lfs pull") == true)
      #expect(reason(folder.url)?.contains("folder") == true)
      #expect(mkfifo(folder.file("pipe").path, 0o600) == 0)
      #expect(reason(folder.file("pipe"))?.contains("regular") == true)
    }
  }

  @Test("a link into a place that is not there is the machine's fault, not the file's")
  func unmounted() throws {
    try ScratchFolder.with { folder in
      try FileManager.default.createSymbolicLink(
        atPath: folder.file("a.jpg").path, withDestinationPath: "/nonexistent-mount/images/a.jpg")
      #expect(throws: EnvironmentFault.self) { try InputFile.read(folder.file("a.jpg")) }
    }
  }
}

@Suite("What a folder without a model is")
struct FolderHintTests {
  @Test(
    "is said by the names in it",
    arguments: [
      (["pytorch_model.bin", "config.json"], "pickle"), (["consolidated.00.pth"], "pickle"),
      (["model-q4.gguf"], "GGUF"), (["adapter_config.json", "adapter_model.safetensors"], "--adapter"),
      (["snapshots/abc/config.json", "refs/main", "blobs/x"], "snapshots/abc"),
      (["model.safetensors.incomplete"], "download"), (["model-00001-of-00002.safetensors"], "index.json"),
      ([".cache/huggingface/download/x.incomplete"], "download"), (["tf_model.h5"], "TensorFlow"),
    ])
  func described(_ names: [String], _ word: String) throws {
    try ScratchFolder.with { folder in
      for name in names {
        let file = folder.file(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data("x".utf8).write(to: file)
      }
      #expect(
        FolderHint.describe(folder.url)?.contains(word) == true, "\(FolderHint.describe(folder.url) ?? "nothing")")
    }
  }

  @Test("is left open where nothing is recognised, and in a folder that isn't there")
  func nothing() throws {
    try ScratchFolder.with { folder in
      #expect(FolderHint.describe(folder.url) == nil)
      #expect(FolderHint.describe(folder.file("missing")) == nil)
      try Data("x".utf8).write(to: folder.file("readme.txt"))
      #expect(FolderHint.describe(folder.url) == nil)
    }
  }
}
