import COCO
import Foundation
import TestSupport
import Testing

@testable import KeyObjects

/// Files of a small COCO of two images of 100 x 100 pixels: a dog and a cat in the first, two people in the second.
struct SmallCOCO {
  let scratch: ScratchFolder
  var configuration: DatasetBuildConfiguration

  init(_ scratch: ScratchFolder, annotations: [String]? = nil) throws {
    self.scratch = scratch
    let images = scratch.file("images")
    try FileManager.default.createDirectory(at: images, withIntermediateDirectories: false)
    for name in ["1.jpg", "2.jpg"] { try Data("not opened".utf8).write(to: images.appendingPathComponent(name)) }
    try Self.write(
      scratch.file("instances.json"), annotations: annotations ?? Self.annotations,
      more: #""categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}, {"id": 1, "name": "person"}]"#)
    try Self.write(
      scratch.file("captions.json"),
      annotations: [
        #"{"id": 90, "image_id": 1, "caption": "A brown dog near a wall"}"#,
        #"{"id": 91, "image_id": 2, "caption": "A man and a woman"}"#,
      ], more: #""info": {}"#)
    configuration = DatasetBuildConfiguration(
      instances: scratch.file("instances.json"), images: images, output: scratch.file("out.json"))
    configuration.captions = scratch.file("captions.json")
    configuration.isQuiet = true
    // Other rules are tested on people who come in pairs.
    configuration.rules.unique = false
  }

  static let annotations = [
    annotation(11, image: 1, category: 18, side: 30), annotation(12, image: 1, category: 17, side: 40),
    annotation(21, image: 2, category: 1, side: 50), annotation(22, image: 2, category: 1, side: 25),
    annotation(23, image: 2, category: 1, side: 60, more: #", "iscrowd": 1"#),
    annotation(24, image: 2, category: 18, side: 5), annotation(25, image: 1, category: 1, side: 90),
  ]

  static func annotation(_ id: Int, image: Int, category: Int, side: Int, more: String = "", outline: String? = nil)
    -> String
  {
    let outline = outline ?? "[[0, 0, \(side), 0, \(side), \(side), 0, \(side)]]"
    return """
      {"id": \(id), "image_id": \(image), "category_id": \(category), "area": \(side * side), "bbox": [0, 0, \(side), \(side)], \
      "segmentation": \(outline)\(more)}
      """
  }

  private static func write(_ file: URL, annotations: [String], more: String) throws {
    let json = """
      {"licenses": [{"id": 4, "name": "A"}], "images": [
      {"id": 1, "file_name": "1.jpg", "width": 100, "height": 100, "license": 4, "flickr_url": "http://x"},
      {"id": 2, "file_name": "2.jpg", "width": 100, "height": 100}],
      "annotations": [\(annotations.joined(separator: ",\n"))], \(more)}
      """
    try Data(json.utf8).write(to: file)
  }

  /// Annotation id and description of what a build makes.
  func built(_ change: (inout KeyObjectRules) -> Void = { _ in }) throws -> [Int64: String] {
    var configuration = configuration
    change(&configuration.rules)
    _ = try DatasetBuilder(configuration).run()
    defer { try? FileManager.default.removeItem(at: configuration.output) }
    let dataset = try KeyObjectDataset(contentsOf: configuration.output)
    return Dictionary(uniqueKeysWithValues: dataset.annotations.map { ($0.id, $0.description ?? "") })
  }
}

@Suite("Building key-object datasets")
struct DatasetBuilderTests {
  @Test("the object that captions mention comes before a larger one; crowds, specks and backgrounds are never taken")
  func defaults() throws {
    try ScratchFolder.with { scratch in
      let built = try SmallCOCO(scratch).built()
      #expect(built == [11: "a brown dog", 21: "a person"])
    }
  }

  @Test("each rule chooses as it says")
  func rules() throws {
    try ScratchFolder.with { scratch in
      let coco = try SmallCOCO(scratch)
      func expect(_ ids: Set<Int64>, _ change: (inout KeyObjectRules) -> Void) throws {
        let built = try coco.built(change)
        #expect(Set(built.keys) == ids)
      }
      try expect([12, 21]) { $0.choose = .largest }
      try expect([12, 21]) { $0.choose = .central }
      try expect([11, 12, 21, 22]) { $0.perImage = 5 }
      try expect([12]) { $0.categories = ["cat"] }
      try expect([24]) { ($0.minArea, $0.maxArea) = (0, 0.01) }
      let balanced = try coco.built { ($0.perImage, $0.balance) = (5, 1) }
      #expect(balanced.count == 3)
      let named = try coco.built { $0.describe = .category }
      #expect(named == [11: "a dog", 21: "a person"])
    }
  }

  @Test("the file holds the records as they were, and the rules that made it")
  func contents() throws {
    try ScratchFolder.with { scratch in
      let coco = try SmallCOCO(scratch)
      _ = try DatasetBuilder(coco.configuration).run()
      let json = try JSONSerialization.jsonObject(with: Data(contentsOf: coco.configuration.output)) as? [String: Any]
      let info = json?["info"] as? [String: Any]
      let rules = info?["key_object_rules"] as? [String: Any]
      #expect(rules?["min_area"] as? Double == 0.05)
      #expect(rules?["choose"] as? String == "mentioned")
      let images = json?["images"] as? [[String: Any]]
      #expect(images?.first?["flickr_url"] as? String == "http://x")
      #expect((json?["licenses"] as? [[String: Any]])?.count == 1)
      let first = (json?["annotations"] as? [[String: Any]])?.first
      #expect(first?["description_source"] as? String == "caption")
      #expect(first?["caption_id"] as? Int == 90)
      #expect(first?["bbox"] as? [Double] == [0, 0, 30, 30])
    }
  }

  @Test("parts share no image, and an image's part depends on its id and the seed alone")
  func split() throws {
    let split = try DatasetSplit("0.8,0.1,0.1")
    let parts = (0..<10_000).map { split.part(of: $0, seed: 3) }
    #expect(abs(parts.count { $0 == .train } - 8000) < 200)
    #expect(abs(parts.count { $0 == .test } - 1000) < 150)
    #expect(split.part(of: 77, seed: 3) == parts[77])
    #expect((0..<100).map { split.part(of: $0, seed: 4) } != Array(parts.prefix(100)))
    try ScratchFolder.with { scratch in
      var configuration = try SmallCOCO(scratch).configuration
      configuration.rules.split = try DatasetSplit("0.5,0,0.5")
      configuration.rules.seed = 1
      let outputs = try DatasetBuilder(configuration).run().outputs
      #expect(outputs.map(\.objects).reduce(0, +) == 2)
      #expect(
        try scratch.names.filter { $0.hasPrefix("out") } == ["out-test.json", "out-train.json", "out-validation.json"])
    }
  }

  @Test(
    "shares that make no whole are refused",
    arguments: ["", "1", "0.5,0.5", "0.5,0.6,0.1", "a,b,c", "-1,1,1", "nan,0,1", "1,0,0,"])
  func badSplit(text: String) { #expect(throws: KeyObjectError.self) { try DatasetSplit(text) } }

  /// Sees that a build fails, says so, and leaves nothing behind.
  private func expectProblem(
    _ says: String, _ annotations: [String]? = nil, _ change: (inout DatasetBuildConfiguration) -> Void = { _ in }
  ) throws {
    try ScratchFolder.with { scratch in
      var configuration = try SmallCOCO(scratch, annotations: annotations).configuration
      change(&configuration)
      let before = try scratch.names
      let error = #expect(throws: (any Error).self) { try DatasetBuilder(configuration).run() }
      let problem = error.map { "\($0)" } ?? "nothing"
      #expect(problem.contains(says), "\(problem)")
      #expect(try scratch.names == before)
    }
  }

  @Test("errors name file and id, and nothing is written")
  func badInput() throws {
    try expectProblem("not captions") { $0.instances = $0.captions ?? $0.instances }
    try expectProblem("has no captions") { $0.captions = $0.instances }
    try expectProblem("need --captions") { $0.captions = nil }
    try expectProblem("\"unicorn\" is not in") { $0.rules.categories = ["unicorn"] }
    try expectProblem("near: dog") { $0.rules.excluded = ["cat", "dogs"] }
    try expectProblem("--min-area") { $0.rules.minArea = 0.7 }
    try expectProblem("--per-image") { $0.rules.perImage = 0 }
    try expectProblem("can't be listed") { $0.images = $0.images.appendingPathComponent("none") }
    try expectProblem("already exists") { $0.output = $0.instances }
    try expectProblem("annotations[0].image_id", [SmallCOCO.annotation(1, image: 7, category: 1, side: 30)])
    try expectProblem("annotations[0].image_id", [SmallCOCO.annotation(1, image: 7, category: 1, side: 30)]) {
      $0.isStrict = true
    }
    try expectProblem("1 below min-area", [SmallCOCO.annotation(1, image: 1, category: 1, side: 1)])
  }

  @Test(
    "an object that can't be used is left out, or with --strict stops the work",
    arguments: [
      ("[[1, 2, 3, 4]]", "at least 6"), ("[]", "no polygon"),
      (#"{"size": [100, 100], "counts": [5, 5, 5]}"#, "annotations[0].segmentation"),
      (#"{"size": [10, 100], "counts": [1000]}"#, "the mask is 100 x 10"), ("[[0, 0, 1e300, 1, 5, 5]]", "1e+300"),
    ])
  func unusable(outline: String, says: String) throws {
    let annotations = [
      SmallCOCO.annotation(1, image: 1, category: 18, side: 30, outline: outline),
      SmallCOCO.annotation(2, image: 1, category: 18, side: 30),
    ]
    try expectProblem(says, annotations) { $0.isStrict = true }
    try ScratchFolder.with { scratch in
      let built = try SmallCOCO(scratch, annotations: annotations).built()
      #expect(Set(built.keys) == [2])
    }
  }

  @Test("an object whose id another has gets a new one")
  func repeatedIDs() throws {
    try ScratchFolder.with { scratch in
      let annotations = [
        SmallCOCO.annotation(1, image: 1, category: 18, side: 30),
        SmallCOCO.annotation(1, image: 2, category: 17, side: 40),
      ]
      let built = try SmallCOCO(scratch, annotations: annotations).built { $0.choose = .largest }
      #expect(Set(built.keys) == [1, 2])
    }
  }

  @Test("an area or a box that the file doesn't state is its outline's")
  func unstatedMeasures() throws {
    try ScratchFolder.with { scratch in
      func odd(_ id: Int, side: Int, x: Int, _ more: String) -> String {
        let outline = "[[\(x), 0, \(x + side), 0, \(x + side), \(side), \(x), \(side)]]"
        return #"{"id": \#(id), "image_id": 1, "category_id": 18, "segmentation": \#(outline)\#(more)}"#
      }
      let annotations = [
        odd(1, side: 30, x: 35, #", "area": NaN"#), odd(2, side: 40, x: 0, #", "bbox": [], "area": 1600"#),
        odd(3, side: 10, x: 45, ""), odd(4, side: 90, x: 5, #", "area": "x""#),
      ]
      let coco = try SmallCOCO(scratch, annotations: annotations)
      #expect(try Set(coco.built { $0.choose = .largest }.keys) == [2])
      #expect(try Set(coco.built { $0.choose = .central }.keys) == [1])
      #expect(try Set(coco.built { $0.perImage = 9 }.keys) == [1, 2])
      #expect(try Set(coco.built { ($0.perImage, $0.minArea, $0.maxArea) = (9, 0, 1) }.keys) == [1, 2, 3, 4])
    }
  }

  @Test("a crowd or a category that can't be read costs the object; records that can't be used are counted")
  func oddRecords() throws {
    try ScratchFolder.with { scratch in
      let annotations = [
        SmallCOCO.annotation(1, image: 1, category: 18, side: 30, more: #", "iscrowd": "x""#),
        SmallCOCO.annotation(2, image: 1, category: 18, side: 30, more: #", "iscrowd": "0""#),
        SmallCOCO.annotation(3, image: 9, category: 18, side: 30), "7",
        SmallCOCO.annotation(4, image: 2, category: 18, side: 30, outline: "[[0, 0, 30, 0, 30, 30], [1, 1]]"),
      ]
      var configuration = try SmallCOCO(scratch, annotations: annotations).configuration
      let summary = try DatasetBuilder(configuration).run()
      #expect(summary.examined == 5)
      #expect(summary.leftOut.first { $0.name == "can't be read" }?.objects == 2)
      #expect(summary.leftOut.first { $0.name == "can't be used" }?.objects == 1)
      #expect(try KeyObjectDataset(contentsOf: configuration.output).annotations.map(\.id) == [2, 4])
      configuration.output = scratch.file("strict.json")
      configuration.isStrict = true
      let refusal = try #require(failure { try DatasetBuilder(configuration).run() })
      let written = try String(contentsOf: scratch.file("out.json"), encoding: .utf8)
      #expect(written.contains(#""segmentation": [[0, 0, 30, 0, 30, 30]], "#), "the part of one point is left out")
      for place in [
        "annotations[0].iscrowd", "annotations[2].image_id", "annotations[3]", "annotations[4].segmentation[1]",
      ] {
        #expect(refusal.contains(place), "\(refusal)")
      }
    }
  }

  @Test("an image's id in quotes is written as the annotations have it")
  func idsInQuotes() throws {
    try ScratchFolder.with { scratch in
      let coco = try SmallCOCO(scratch)
      let file = coco.configuration.instances
      let text = try String(contentsOf: file, encoding: .utf8)
        .replacingOccurrences(of: #"{"id": 1, "file_name""#, with: #"{"id" : "01" , "file_name""#)
      try Data(text.utf8).write(to: file)
      _ = try DatasetBuilder(coco.configuration).run()
      let json = try JSONSerialization.jsonObject(with: Data(contentsOf: coco.configuration.output)) as? [String: Any]
      let images = try #require(json?["images"] as? [[String: Any]])
      #expect(images[0]["id"] as? Int == 1 && images[0]["flickr_url"] as? String == "http://x")
    }
  }

  @Test("an image whose file is missing is left out")
  func missingImage() throws {
    try ScratchFolder.with { scratch in
      let coco = try SmallCOCO(scratch)
      try FileManager.default.removeItem(at: coco.configuration.images.appendingPathComponent("1.jpg"))
      let built = try coco.built()
      #expect(Set(built.keys) == [21])
    }
  }

  @Test(
    "a finished build knows what it is of: the same again changes nothing, another is refused",
    arguments: [false, true])
  func finished(isSplit: Bool) throws {
    try ScratchFolder.with { scratch in
      var c = try SmallCOCO(scratch).configuration
      if isSplit { c.rules.split = try DatasetSplit("0.5,0.25,0.25") }
      func build(_ c: DatasetBuildConfiguration) throws -> DatasetBuilder.Summary {
        try DatasetBuilder(c).run()
      }
      let first = try build(c)
      #expect(first.isNew)
      let urls = first.outputs.map { URL(fileURLWithPath: $0.path) }
      let before = try urls.map { try Data(contentsOf: $0) }
      #expect(failure { try build(c) }?.contains("already exists") == true)
      c.resumes = true
      let again = try build(c)
      #expect(!again.isNew && again.outputs.map(\.objects) == first.outputs.map(\.objects))
      for change in [{ $0.rules.minArea = 0.5 }, { $0.captions = nil }] as [(inout DatasetBuildConfiguration) -> Void] {
        var other = c
        change(&other)
        other.rules.choose = .largest
        other.rules.describe = .category
        let text = failure { try build(other) } ?? "accepted"
        #expect(text.contains("is finished") && text.contains(urls[0].path), "\(text)")
      }
      #expect(try urls.map { try Data(contentsOf: $0) } == before)
      // A kill between two of a split's files: the rest is made, to the same bytes.
      try FileManager.default.removeItem(at: urls[urls.count - 1])
      #expect(try build(c).isNew)
      #expect(try urls.map { try Data(contentsOf: $0) } == before)
      // What doesn't say what it is of is not taken for it.
      try Data(#"{"info": {}, "images": [], "annotations": []}"#.utf8).write(to: urls[0])
      #expect(failure { try build(c) }?.contains("info.run") == true)
      #expect(try scratch.names.filter { $0.contains("partial") }.isEmpty)
    }
  }

  @Test("a folder of images that is empty stops the build: it may not be mounted")
  func emptyFolder() throws {
    try ScratchFolder.with { scratch in
      let coco = try SmallCOCO(scratch)
      for name in ["1.jpg", "2.jpg"] {
        try FileManager.default.removeItem(at: coco.configuration.images.appendingPathComponent(name))
      }
      #expect(failure { try coco.built() }?.contains(coco.configuration.images.path) == true)
    }
  }
}
