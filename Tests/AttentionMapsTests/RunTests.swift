import COCO
import Foundation
import TestSupport
import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Attending runs", .serialized)
struct AttendingRuns {
  private let tiny = TinyCase.nested

  private func annotation(_ id: Int, to output: URL, _ more: String...) -> [String] {
    [
      "attend", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path,
      "--annotation", "\(id)", "--precision", "f32", "--output", output.path,
    ] + TinyCase.resize + more
  }

  private func picture(_ name: String = "0001.jpg", to output: URL, _ more: String...) -> [String] {
    [
      "attend", "--model", tiny.model.path, "--image", tiny.images.appendingPathComponent(name).path, "--precision",
      "f32", "--output", output.path,
    ] + TinyCase.resize + more
  }

  private struct Summary: Decodable {
    struct Head: Decodable {
      let layer: Int
      let head: Int
      let matched: Double?
      let chance: Double?
    }
    let text: String
    let is_generated: Bool
    let words: Int
    let tokens: Int
    let visual_tokens: Int
    let heads: [Head]
  }

  /// The rows of attention.csv, by the names of its columns.
  private func table(_ folder: URL) throws -> [[String: String]] {
    let lines = try String(contentsOf: folder.appendingPathComponent("attention.csv"), encoding: .utf8)
      .split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
    return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
  }

  @Test("an annotation's heads: a sheet each, a picture a word, a page, and the IoU that score gives")
  func annotations() async throws {
    try await ScratchFolder.with { scratch in
      let (output, hi) = (scratch.file("heads"), scratch.file("hi.h5"))
      try await succeed(tiny.score(to: hi, "--precision", "f32", "--save-scores"))
      let ran = try await run(
        annotation(93, to: output, "--head", "3.1", "--hi", hi.path, "--top", "2", "--format", "json"))
      try #require(ran.exitCode == 0, "\(ran.standardError)")
      let summary = try JSONDecoder().decode(Summary.self, from: Data(ran.standardOutput.utf8))
      #expect(summary.heads.count == 3 && summary.heads[0].layer == 3 && summary.heads[0].head == 1)
      #expect(summary.heads.allSatisfy { (0...1).contains($0.matched ?? -1) && (0...1).contains($0.chance ?? -1) })

      let names = Set(try FileManager.default.contentsOfDirectory(atPath: output.path))
      var expected: Set = ["index.html", "attention.csv", "photograph.png", "mask.png"]
      for head in summary.heads.map({ "\($0.layer).\($0.head)" }) {
        expected.formUnion(["\(head).svg", "\(head)-average.png"])
        expected.formUnion((1...summary.words).map { "\(head)-word-\($0).png" })
      }
      #expect(names == expected)
      let page = try String(contentsOf: output.appendingPathComponent("index.html"), encoding: .utf8)
      #expect(page.contains("3.1.svg") && page.contains("IoU"))
      #expect(
        page.matches(of: /(src|href)="(?!data:|attention\.csv|\d+\.\d+\.svg)/).isEmpty, "the page needs another file")

      let rows = try table(output)
      #expect(rows.count == 3 * (1 + summary.words) * summary.visual_tokens)
      #expect(rows.contains { $0["in_mask"] == "1" } && rows.contains { $0["in_mask"] == "0" })
    }
  }

  @Test("a family of tiles: each picture twice, on the tiles and on the whole image; --views draws one of the two")
  func tiles() async throws {
    try await ScratchFolder.with { scratch in
      let tiled = try #require(TinyCase.all.first { $0.name == "smolvlm" })
      let dataset = try KeyObjectDataset(contentsOf: tiled.dataset)
      let image = try #require(dataset.images.max { ($0.size?.width ?? 0) < ($1.size?.width ?? 0) })
      for (views, suffixes) in [("all", ["-tiles", "-global"]), ("tiles", [""]), ("global", [""])] {
        let output = scratch.file(views)
        try await succeed(
          [
            "attend", "--model", tiled.model.path, "--image",
            tiled.images.appendingPathComponent(image.fileName).path, "--precision", "f32", "--output", output.path,
            "--text", "a dog", "--head", "1.0", "--views", views,
          ])
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: output.path))
        #expect(
          names
            == Set(["index.html", "attention.csv", "photograph.png", "1.0.svg"]).union(
              suffixes.flatMap { suffix in ["average", "word-1", "word-2"].map { "1.0-\($0)\(suffix).png" } }),
          "\(views)")
        let kinds = Set(try table(output).compactMap { $0["view_kind"] })
        #expect(kinds == (views == "all" ? ["tile", "global"] : [views == "tiles" ? "tile" : "global"]))
      }
    }
  }

  @Test("the average is what score saves, and words are made of their tokens' rows")
  func scores() async throws {
    try await ScratchFolder.with { scratch in
      let (output, hi) = (scratch.file("heads"), scratch.file("hi.h5"))
      try await succeed(tiny.score(to: hi, "--precision", "f32", "--save-scores"))
      try await succeed(annotation(93, to: output, "--head", "2.3"))
      let saved = try savedScores(hi, sample: 93, layer: 2, head: 3)
      let rows = try table(output)
      let average = rows.filter { $0["word"] == "0" }.compactMap { Double($0["score"] ?? "") }
      let closeness = Closeness(average, saved)
      #expect(closeness.relativeL2 < 1e-5, "\(closeness)")
    }
  }

  @Test("a picture and a text of one's own; markup in it stays text; with an adapter the scores are others")
  func pictures() async throws {
    try await ScratchFolder.with { scratch in
      let (plain, adapted) = (scratch.file("plain"), scratch.file("adapted"))
      let text = #"<b>a & "dog"</b> ☕"#
      try await succeed(picture(to: plain, "--text", text, "--head", "2.0"))
      try await succeed(
        picture(to: adapted, "--text", text, "--head", "2.0", "--adapter", TinyCase.nestedAdapter.path))
      #expect(try table(plain).map { $0["score"] } != table(adapted).map { $0["score"] })
      #expect(!FileManager.default.fileExists(atPath: plain.appendingPathComponent("mask.png").path))
      for name in ["2.0.svg", "index.html"] {
        let written = try String(contentsOf: plain.appendingPathComponent(name), encoding: .utf8)
        #expect(written.contains("&lt;b&gt;a") && !written.contains("<b>"), "\(name)")
      }
      let sheet = try await MPIRun.run(
        [
          "python3", "-c", "import sys, xml.dom.minidom as x; x.parse(sys.argv[1])",
          plain.appendingPathComponent("2.0.svg").path,
        ])
      #expect(sheet.exitCode == 0, "the sheet is no XML: \(sheet.standardError)")
    }
  }

  @Test(
    "the model's own answer is that of generate, its tokens each have a picture, and a folder is replaced only if asked"
  )
  func answers() async throws {
    try await ScratchFolder.with { scratch in
      let (output, texts) = (scratch.file("answer"), scratch.file("texts.json"))
      let question = ["--prompt", "What is it?", "--max-new-tokens", "6"]
      let arguments = picture(to: output, "--generate", "--head", "1.2", "--format", "json") + question
      let ran = try await succeed(arguments)
      let summary = try JSONDecoder().decode(Summary.self, from: Data(ran.standardOutput.utf8))
      try await succeed(
        [
          "generate", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path,
          "--precision", "f32", "--quiet", "--output", texts.path,
        ] + TinyCase.resize + question)
      struct Caption: Decodable { let caption: String }
      let captions = try JSONDecoder().decode([Caption].self, from: Data(contentsOf: texts)).map(\.caption)
      #expect(summary.is_generated && captions.contains(summary.text), "\(summary.text) is none of \(captions)")
      let names = Set(try FileManager.default.contentsOfDirectory(atPath: output.path))
      #expect(names.isSuperset(of: (1...summary.tokens).map { "1.2-token-\($0).png" }))
      #expect(try table(output).count == (1 + summary.tokens) * summary.visual_tokens)

      try await fail(arguments, saying: "already exists; choose another --output, or let it be replaced by --overwrite")
      try await succeed(arguments + ["--overwrite", "--by", "word"])
      #expect(try table(output).count == (1 + summary.words) * summary.visual_tokens)
      try Data("notes".utf8).write(to: output.appendingPathComponent("notes.txt"))
      try await fail(arguments + ["--overwrite"], saying: "holds files that", "notes.txt")
    }
  }

  @Test("what can't be drawn is refused, and leaves nothing behind")
  func refusals() async throws {
    try await ScratchFolder.with { scratch in
      let output = scratch.file("heads")
      let text = scratch.file("text.jpg")
      try Data("no picture".utf8).write(to: text)
      for (arguments, words) in [
        (annotation(93, to: output, "--head", "4.0"), "no head 4.0"),
        (annotation(1, to: output, "--head", "0.0"), "has no annotation 1; its 8 annotations have ids 51 to"),
        (picture("9999.jpg", to: output, "--head", "0.0", "--text", "a"), "9999.jpg"),
        (picture("../" + "keyobjects.json", to: output, "--head", "0.0", "--text", "a"), "it is JSON text"),
        (picture(to: output, "--head", "0.0", "--text", "a", "--adapter", "/nowhere"), "/nowhere"),
        (picture(to: text, "--head", "0.0", "--text", "a", "--overwrite"), "is a file"),
      ] {
        let run = try await run(arguments)
        #expect(run.exitCode == 1 && run.standardError.contains(words), "\(words): \(run.standardError)")
        #expect(try scratch.names == ["text.jpg"])
      }
    }
  }

  @Test("a picture without a text, or no heads, is wrong usage")
  func usage() async throws {
    for arguments in [
      picture(to: URL(fileURLWithPath: "/tmp/x"), "--head", "0.0"),
      picture(to: URL(fileURLWithPath: "/tmp/x"), "--head", "0.0", "--text", "a", "--generate"),
      annotation(93, to: URL(fileURLWithPath: "/tmp/x")),
      annotation(93, to: URL(fileURLWithPath: "/tmp/x"), "--head", "0.1, 1.1", "--head", "1.1"),
      annotation(93, to: URL(fileURLWithPath: "/tmp/x"), "--head", "0.0", "--text", " "),
      picture(to: URL(fileURLWithPath: "/tmp/x"), "--head", "0.0", "--text", " \n"),
    ] {
      #expect(try await run(arguments).exitCode == 64)
    }
  }
}
