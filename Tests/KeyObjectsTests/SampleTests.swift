import COCO
import Demonstration
import Foundation
import IO
import ImageInput
import TestSupport
import Testing

@testable import KeyObjects

private let sample = SharedData.file("coco-sample")

@Suite("Key objects of COCO's own files")
struct KeyObjectSampleTests {
  @Test(
    "descriptions of the COCO sample are phrases about the objects, as people judged them",
    .enabled(if: SharedData.has("coco-sample/instances.json"), "\(SharedData.absence)"))
  func descriptions() throws {
    try ScratchFolder.with { scratch in
      var configuration = DatasetBuildConfiguration(
        instances: sample.appendingPathComponent("instances.json"), images: sample.appendingPathComponent("images"),
        output: scratch.file("out.json"))
      configuration.captions = sample.appendingPathComponent("captions.json")
      configuration.rules.minArea = 0.02
      configuration.rules.unique = false
      configuration.isQuiet = true
      _ = try DatasetBuilder(configuration).run()
      let dataset = try KeyObjectDataset(contentsOf: configuration.output)
      let found = Dictionary(uniqueKeysWithValues: dataset.annotations.map { ($0.imageID, $0.description) })
      #expect(
        found == [
          174375: "a man", 159269: "a closed umbrella", 255165: "a monitor", 357888: "a man wearing an orange shirt",
          119828: "a black cat", 126107: "a white bird", 196393: "a white cat", 229358: "a man", 404484: "a woman",
          205401: "a plane", 343937: "a girl in a white jacket", 168974: "a small child", 269314: "a banana",
          165518: "a person", 261888: "a bike",
        ])
    }
  }
}

@Suite("Showing and checking key-object datasets")
struct ShowAndCheckTests {
  /// The demonstration's scenes, after a change to their file.
  private func withScenes(_ change: (String) -> String = { $0 }, _ body: (ScratchFolder, URL, URL) throws -> Void)
    throws
  {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("scenes")
      try DemoDataset(split: .test, count: 5).write(to: folder) { width, height, pixels in
        try encodePNG(RGBImage(width: width, height: height, pixels: pixels))
      }
      let file = folder.appendingPathComponent("keyobjects.json")
      let text = change(try String(contentsOf: file, encoding: .utf8))
      try Data(text.utf8).write(to: file)
      try body(scratch, file, folder.appendingPathComponent("images"))
    }
  }

  @Test("a preview has a page, a sheet and a picture of each sample")
  func preview() throws {
    try withScenes { scratch, file, images in
      let output = scratch.file("preview")
      let summary = try DatasetPreview(dataset: file, images: images, model: nil, output: output, limit: 3).run()
      #expect(summary.samples == 3)
      let names = try FileManager.default.contentsOfDirectory(atPath: output.path)
      #expect(names.count { $0.hasSuffix(".png") } == 4)
      #expect(try decodeImage(contentsOf: output.appendingPathComponent("sheet-001.png")).width > 800)
      let page = try String(contentsOf: output.appendingPathComponent("index.html"), encoding: .utf8)
      for annotation in try KeyObjectDataset(contentsOf: file).annotationsByID().prefix(3) {
        #expect(page.contains(annotation.description ?? "?"))
      }
    }
  }

  @Test("a preview takes the place of another only if it may, and of nothing else")
  func overwritten() throws {
    try withScenes { scratch, file, images in
      let output = scratch.file("preview")
      func preview(limit: Int, overwrites: Bool) throws -> DatasetPreview.Summary {
        try DatasetPreview(
          dataset: file, images: images, model: nil, output: output, limit: limit, overwrites: overwrites
        ).run()
      }
      _ = try preview(limit: 3, overwrites: true)
      let refusal = try #require(failure { try preview(limit: 1, overwrites: false) })
      #expect(refusal.contains("--overwrite") && !refusal.contains("--resume"), "\(refusal)")
      #expect(try preview(limit: 1, overwrites: true).samples == 1)
      #expect(try FileManager.default.contentsOfDirectory(atPath: output.path).count == 3)
      try Data().write(to: output.appendingPathComponent("notes.txt"))
      #expect(failure { try preview(limit: 1, overwrites: true) }?.contains("notes.txt") == true)
    }
  }

  @Test("two objects of an image with one description are found")
  func ambiguous() throws {
    try withScenes { _, file, images in
      var json = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
      var annotations = try #require(json["annotations"] as? [[String: Any]])
      var copy = annotations[0]
      copy["id"] = 999_999
      annotations.append(copy)
      json["annotations"] = annotations
      try JSONSerialization.data(withJSONObject: json).write(to: file)
      let findings = try DatasetCheck(dataset: file, images: images).run(isQuiet: true).findings
      #expect(findings.map(\.subject) == ["annotation 999999"])
      #expect(findings.first?.kind == .description)
    }
  }

  @Test("a preview that fails leaves no folder behind")
  func failedPreview() throws {
    try withScenes { scratch, file, images in
      let before = try scratch.names
      #expect(throws: EnvironmentFault.self) {
        try DatasetPreview(
          dataset: file, images: images.appendingPathComponent("no"), model: nil, output: scratch.file("preview"),
          limit: 3
        ).run()
      }
      #expect(try scratch.names == before)
    }
  }

  @Test("a sound dataset has no problems")
  func sound() throws {
    try withScenes { _, file, images in
      let report = try DatasetCheck(dataset: file, images: images).run(isQuiet: true)
      #expect(report.findings == [])
    }
  }

  @Test("everything that is wrong is found")
  func findings() throws {
    try withScenes { scratch, file, images in
      let pictures = try FileManager.default.contentsOfDirectory(atPath: images.path).sorted()
      try FileManager.default.removeItem(at: images.appendingPathComponent(pictures[0]))
      let whole = try Data(contentsOf: images.appendingPathComponent(pictures[1]))
      try whole.prefix(whole.count / 2).write(to: images.appendingPathComponent(pictures[1]))
      try Data(encodePNG(RGBImage(width: 1, height: 1, pixels: [0, 0, 0])))
        .write(to: images.appendingPathComponent(pictures[2]))
      var json = try #require(
        JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
      var annotations = try #require(json["annotations"] as? [[String: Any]])
      annotations[0]["description"] = " "
      annotations[1]["description"] = "two\nlines"
      annotations[2]["category_id"] = 99
      annotations[3]["segmentation"] = [[1, 2, 3, 4]]
      annotations[4]["iscrowd"] = 1
      json["annotations"] = annotations
      try JSONSerialization.data(withJSONObject: json).write(to: file)
      let findings = try DatasetCheck(dataset: file, images: images).run(isQuiet: true).findings
      #expect(findings.map(\.kind) == [.file, .file, .size, .description, .description, .category, .mask, .mask])
    }
  }

  @Test(
    "turned pictures are counted, and only the unturned size is wrong (case exif-orientation)",
    .enabled(if: SharedData.has("cases/exif-orientation"), "\(SharedData.absence)"), arguments: [90, 180])
  func turned(degrees: Int) throws {
    let folder = SharedData.file("cases/exif-orientation")
    let file = folder.appendingPathComponent("turned-\(degrees).json")
    let images = folder.appendingPathComponent("turned-\(degrees)")
    let report = try DatasetCheck(dataset: file, images: images).run(isQuiet: true)
    #expect(report.findings == [])
    #expect(report.turned == 4)

    try ScratchFolder.with { scratch in
      var json = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
      var records = try #require(json["images"] as? [[String: Any]])
      // The unturned size of those turned by a quarter; those turned by half are square.
      (records[0]["width"], records[0]["height"]) = (224, 308)
      json["images"] = records
      let swapped = scratch.file("swapped.json")
      try JSONSerialization.data(withJSONObject: json).write(to: swapped)
      let findings = try DatasetCheck(dataset: swapped, images: images).run(isQuiet: true).findings
      let problem = try #require(findings.first { $0.kind == .size }?.problem)
      #expect(problem.contains("EXIF orientation"))
      #expect(problem.contains("before turning") == (degrees == 90))
      #expect(throws: EnvironmentFault.self) {
        try DatasetCheck(dataset: file, images: scratch.file("unmounted")).run(isQuiet: true)
      }
    }
  }
}

@Suite("Odd records of key-object datasets")
struct OddRecordCheckTests {
  @Test("a check lists all problems, and draws masks over images whose size the file doesn't state")
  func findings() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("scenes")
      try DemoDataset(split: .test, count: 6).write(to: folder) { width, height, pixels in
        try encodePNG(RGBImage(width: width, height: height, pixels: pixels))
      }
      let file = folder.appendingPathComponent("keyobjects.json")
      var json = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
      var annotations = try #require(json["annotations"] as? [[String: Any]])
      var images = try #require(json["images"] as? [[String: Any]])
      images[0]["width"] = NSNull()
      images[1]["height"] = "x"
      annotations[0]["bbox"] = [Int]()
      annotations[1]["iscrowd"] = "x"
      annotations[2]["image_id"] = 999
      annotations[3]["id"] = annotations[4]["id"]
      annotations[5]["segmentation"] = ""
      json["annotations"] = annotations + [["id": 77]]
      json["images"] = images
      try JSONSerialization.data(withJSONObject: json).write(to: file)
      let report = try DatasetCheck(dataset: file, images: folder.appendingPathComponent("images")).run(isQuiet: true)
      let places = report.findings.map(\.problem)
      for place in [
        "images[1].height", "annotations[0].bbox", "annotations[1].iscrowd", "annotations[2].image_id",
        "annotations[3].id", "annotations[4].id", "annotations[5].segmentation", "annotations[6]",
      ] { #expect(places.count { $0.contains(place + ":") || $0.hasPrefix(place + ":") } == 1, "\(place): \(places)") }
      #expect(report.findings.count == 8)
    }
  }
}

@Suite("Descriptions by a model")
struct ModelDescriptionTests {
  @Test("a model describes each object alone, on two ranks as on one, and nothing is left beside the output")
  func model() async throws {
    try await ScratchFolder.with { scratch in
      let demo = scratch.file("demo").path
      func run(_ arguments: [String], ranks: Int? = nil) async throws {
        let run = try await MPIRun.launch("headimpact", arguments, ranks: ranks, timeout: 120)
        try #require(run.exitCode == 0, "\(run.standardError)")
      }
      try await run(["demo", "--output", demo, "--scenes", "6"])
      for ranks in [1, 2] {
        try await run(
          [
            "dataset", "build", "--instances", "\(demo)/dataset/keyobjects.json", "--images", "\(demo)/dataset/images",
            "--model", "\(demo)/model", "--describe", "model", "--objects", "masked", "--choose", "largest",
            "--min-area", "0",
            "--min-tokens", "1", "--precision", "f32", "--quiet", "--output", scratch.file("\(ranks).json").path,
          ], ranks: ranks)
      }
      let (one, two) = (try Data(contentsOf: scratch.file("1.json")), try Data(contentsOf: scratch.file("2.json")))
      #expect(one == two)
      let annotations = try KeyObjectDataset(json: one, name: "1.json").annotations
      #expect(annotations.count == 6)
      #expect(
        String(decoding: one, as: UTF8.self).components(separatedBy: "\"description_source\": \"model\"").count == 7)
      #expect(try scratch.names == ["1.json", "2.json", "demo"])
    }
  }
}
