import Foundation
import TestSupport
import Testing

@testable import COCO

private let picture = #"{"id": 9, "file_name": "a.jpg", "width": 4, "height": 3}"#
private let square = "[[0, 0, 2, 0, 2, 2, 0, 2]]"

private func dataset(
  images: String = picture, annotations: String, categories: String = #"{"id": 1, "name": "cat"}"#
) throws -> KeyObjectDataset {
  try KeyObjectDataset(
    json: Array(#"{"images": [\#(images)], "annotations": [\#(annotations)], "categories": [\#(categories)]}"#.utf8),
    name: "d.json")
}

private func annotation(_ id: String = "1", image: String = "9", _ more: String = "") -> String {
  #"{"id": \#(id), "image_id": \#(image), "segmentation": \#(square)\#(more)}"#
}

@Suite("Odd records")
struct OddRecordTests {
  @Test(
    "an annotation that can't be used is left out and named, and the others stay",
    arguments: [
      ("7", "annotations[1]", "a number, where an object"), ("null", "annotations[1]", "null"),
      (#"{"image_id": 9}"#, "annotations[1]", "the key \"id\" is missing"),
      (#"{"id": null, "image_id": 9}"#, "annotations[1]", "the key \"id\" is missing"),
      (annotation("2", image: "8"), "annotations[1].image_id", "there is no image with the id 8"),
      (annotation("1.5"), "annotations[1].id", "1.5 is not a whole number"),
      (annotation("NaN"), "annotations[1].id", "NaN is not a whole number"),
      (annotation("99999999999999999999"), "annotations[1].id", "99999999999999999999 is not a whole number"),
      (annotation("9007199254740993.0"), "annotations[1].id", "is not a whole number"),
      (annotation("1e400"), "annotations[1].id", "is not a whole number"),
      (annotation("\"x\""), "annotations[1].id", "\"x\" is not a whole number"),
      (annotation("\"\""), "annotations[1].id", "\"\" is not a whole number"),
      (annotation("\"+4\""), "annotations[1].id", "is not a whole number"),
      (annotation("\" 4\""), "annotations[1].id", "is not a whole number"),
      (annotation("\"99999999999999999999\""), "annotations[1].id", "is not a whole number"),
      (annotation("[2]"), "annotations[1].id", "a list, where a number is expected"),
      (annotation("2", ", \"id\": 3"), "annotations[1].id", "the key occurs twice"),
      (annotation("2", ", \"image_id\": 9"), "annotations[1].image_id", "the key occurs twice"),
    ])
  func leftOut(odd: String, place: String, words: String) throws {
    let dataset = try dataset(annotations: [annotation("-5"), odd, annotation("\"0012\"")].joined(separator: ","))
    #expect(dataset.annotations.map(\.id) == [-5, 12])
    #expect(dataset.problems.lostSamples == 1)
    let problem = try #require(dataset.problems.lost.first)
    #expect(problem.place == place && problem.problem.contains(words), "\(problem)")
    #expect(dataset.problems.refusal?.contains("\(problem)") == true)
    #expect(dataset.problems.warnings().count == 1)
  }

  @Test("two different annotations of one id are both left out, naming each other")
  func annotationsOfOneID() throws {
    let dataset = try dataset(
      annotations: [annotation("1"), annotation("2"), annotation("1", ", \"area\": 3")].joined(separator: ","))
    #expect(dataset.annotations.map(\.id) == [2])
    #expect(dataset.problems.lost.map(\.place) == ["annotations[0].id", "annotations[2].id"])
    #expect(dataset.problems.lost[0].problem.contains("annotations[2]"))
    #expect(dataset.problems.lost[1].problem.contains("annotations[0]"))
  }

  @Test("an annotation that occurs twice is used once")
  func repeated() throws {
    let dataset = try dataset(annotations: annotation("1") + "," + annotation("1"))
    #expect(dataset.annotations.map(\.id) == [1])
    #expect(dataset.problems.count == 1 && dataset.problems.lostSamples == 0)
  }

  @Test("a file to be made over gets new ids where some are taken")
  func newIDs() throws {
    try ScratchFolder.with { scratch in
      let list = [annotation("7"), annotation("3"), annotation("7", ", \"area\": 3"), annotation("3", ", \"area\": 4")]
      try Data(#"{"images": [\#(picture)], "annotations": [\#(list.joined(separator: ","))]}"#.utf8)
        .write(to: scratch.file("a.json"))
      let dataset = try KeyObjectDataset(renumbering: scratch.file("a.json"))
      #expect(dataset.annotations.map(\.id) == [7, 3, 9, 8])
      #expect(dataset.problems.count == 2 && dataset.problems.lostSamples == 0)
      let most = [annotation("\(Int64.max)"), annotation("\(Int64.max)", ", \"area\": 3")].joined(separator: ",")
      try Data(#"{"images": [\#(picture)], "annotations": [\#(most)]}"#.utf8).write(to: scratch.file("a.json"))
      #expect(try KeyObjectDataset(renumbering: scratch.file("a.json")).problems.lostSamples == 2)
    }
  }

  @Test("annotations of an image that can't be used, or of one of two with its id, are left out")
  func images() throws {
    let other = #"{"id": 9, "file_name": "b.jpg"}"#
    for (images, words) in [
      (picture + "," + other, "several images of the file have the id 9"),
      (#"{"id": 9}"#, "images[0]: the key \"file_name\" is missing"),
      (#"{"id": 9, "file_name": ""}"#, "images[0].file_name: is empty"),
      (#"{"id": 9, "file_name": "\ud800"}"#, "images[0].file_name"),
      (#"{"file_name": "a.jpg"}"#, "there is no image with the id 9"),
    ] {
      let sound = #"{"id": 8, "file_name": "c.jpg"}"#
      let dataset = try dataset(
        images: images + "," + sound, annotations: annotation("1") + "," + annotation("2", image: "8"))
      #expect(dataset.annotations.map(\.id) == [2])
      #expect(dataset.image(9) == nil)
      #expect(dataset.problems.lost.map(\.id) == [1])
      #expect(dataset.problems.lost[0].problem.contains(words), "\(dataset.problems.lost)")
      #expect(dataset.problems.listed.contains { $0.kind == .image && $0.cost == .record })
    }
    let same = try dataset(images: picture + "," + picture, annotations: annotation())
    #expect(same.images.count == 1 && same.annotations.count == 1 && same.problems.lostSamples == 0)
  }

  @Test("a category of two names is none")
  func categories() throws {
    let two =
      #"{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}, {"id": 2, "name": "kite"}, {"id": 2, "name": "kite"}"#
    let dataset = try dataset(
      annotations: annotation("1", ", \"category_id\": 1"), categories: two + #", {"id": 3}, 4"#)
    #expect(dataset.categories.map(\.id) == [2])
    #expect(dataset.annotations.count == 1 && dataset.problems.lostSamples == 0)
    #expect(dataset.problems.listed.count { $0.kind == .category } == 5)
  }

  @Test(
    "a value that nobody needs costs nothing, and says what is wrong to whoever asks",
    arguments: [
      ("bbox", "[]", AnnotationKey.boundingBox), ("bbox", "[1, 2, NaN, 4]", .boundingBox),
      ("bbox", "\"x\"", .boundingBox),
      ("area", "NaN", .area), ("area", "-Infinity", .area), ("area", "-1", .area), ("area", "[]", .area),
      ("area", "1e999", .area), ("iscrowd", "\"x\"", .isCrowd), ("iscrowd", "2", .isCrowd),
      ("category_id", "\"dog\"", .categoryID), ("category_id", "1.5", .categoryID), ("description", "7", .description),
      ("description", "\"\\ud83d\"", .description), ("caption", "{}", .caption), ("question", "[]", .question),
      ("answers", "[1]", .answers), ("answers", "\"x\"", .answers),
    ])
  func ignored(key: String, value: String, asked: AnnotationKey) throws {
    let dataset = try dataset(annotations: annotation("1", ", \"\(key)\": \(value)") + "," + annotation("2"))
    #expect(dataset.annotations.map(\.id) == [1, 2])
    #expect(dataset.problems.count == 1 && dataset.problems.lostSamples == 0 && dataset.problems.refusal == nil)
    let fault = try #require(dataset.fault(of: dataset.annotations[0], asked))
    #expect("\(fault)".hasPrefix("d.json: annotations[0].\(key)"), "\(fault)")
    #expect(dataset.fault(of: dataset.annotations[1], asked) == nil)
    #expect(try dataset.mask(for: dataset.annotations[0]).area == 4)
  }

  @Test("a duplicate value is ignored, because it is ambiguous")
  func twice() throws {
    let dataset = try dataset(annotations: annotation("1", #", "description": "a", "description": "b""#))
    #expect(dataset.annotations[0].description == nil)
    #expect(dataset.fault(of: dataset.annotations[0], .description)?.problem.contains("twice") == true)
  }

  @Test(
    "values in other forms are read",
    arguments: [
      ("\"0\"", false), ("\"1\"", true), ("true", true), ("false", false), ("1.0", true), ("0.0", false),
      ("null", false),
      ("\"True\"", true), ("\"false\"", false),
    ])
  func forms(crowd: String, isCrowd: Bool) throws {
    let more = #", "iscrowd": \#(crowd), "area": "12.5", "bbox": ["1", 2, "3e0", 4.5], "category_id": "1""#
    let dataset = try dataset(annotations: annotation("\"1\"", image: "\"9\"", more))
    let annotation = try #require(dataset.annotations.first)
    #expect(annotation.isCrowd == isCrowd && annotation.area == 12.5 && annotation.categoryID == 1)
    #expect(annotation.boundingBox == BoundingBox(x: 1, y: 2, width: 3, height: 4.5))
    #expect(dataset.problems.isEmpty)
  }

  @Test("what nobody asks for may be anything that Python writes")
  func elsewhere() throws {
    let dataset = try dataset(
      images: #"{"id": 9, "file_name": "a.jpg", "gps": NaN, "\ud800": "\udc00", "x": -Infinity}"#,
      annotations: annotation("1", #", "score": Infinity, "note": "\ud800""#))
    #expect(dataset.annotations.count == 1 && dataset.problems.isEmpty)
    #expect(dataset.images[0].size == nil)
  }

  @Test("a mask over an image without a size waits for the picture's")
  func withoutSize() throws {
    let runs = #"{"id": 2, "image_id": 9, "segmentation": {"size": [3, 4], "counts": [3, 2, 7]}}"#
    let dataset = try dataset(
      images: #"{"id": 9, "file_name": "a.jpg", "width": null}"#, annotations: annotation("1") + "," + runs)
    for annotation in dataset.annotations {
      #expect(failure { try dataset.mask(for: annotation) }?.contains("width and height") == true)
      #expect(try dataset.mask(for: annotation, height: 3, width: 4).area > 0)
      try dataset.checkOutline(of: annotation)
    }
    #expect(failure { try dataset.mask(for: dataset.annotations[1], height: 4, width: 3) }?.contains("4 x 3") == true)
  }

  @Test("no more problems are kept than memory should hold, and all are counted")
  func many() throws {
    let count = RecordProblems.mostListed + 10
    let dataset = try dataset(annotations: Array(repeating: "{}", count: count).joined(separator: ","))
    #expect(dataset.problems.listed.count == RecordProblems.mostListed)
    #expect(dataset.problems.lostSamples == count && dataset.problems.count == count)
    #expect(dataset.problems.warnings().last?.hasPrefix("… and \(count - 10) more") == true)
  }

  @Test(
    "what isn't JSON is recognised by its first bytes, with what to do",
    arguments: [
      ([0xef, 0xbb, 0xbf, 0x7b], "without"), ([0xff, 0xfe, 0x7b, 0], "UTF-16"), ([0xfe, 0xff, 0, 0x7b], "UTF-16"),
      ([0x7b, 0, 0x22, 0], "UTF-16"), ([0, 0x7b], "UTF-8"), ([0x1f, 0x8b, 8], "unpack"),
      (Array("PK\u{3}\u{4}".utf8), "unpack"),
      (Array("version https://git-lfs.github.com/spec/v1".utf8), "git lfs pull"), (Array("<html>".utf8), "web page"),
    ] as [([UInt8], String)])
  func firstBytes(bytes: [UInt8], words: String) {
    #expect(failure { try KeyObjectDataset(json: bytes, name: "d.json") }?.contains(words) == true)
    #expect(failure { try AnsweredQuestions(json: bytes, name: "d.json") }?.contains(words) == true)
    #expect(failure { try GeneratedTexts(json: bytes, name: "d.json", kind: .captions) }?.contains(words) == true)
  }
}

@Suite("Odd outlines")
struct OddOutlineTests {
  private struct Case: Decodable {
    let name: String
    let height: Int
    let width: Int
    let segmentation: String
    let area: Int
    let crc32: UInt32
  }

  @Test("outlines in odd forms have pycocotools' masks")
  func forms() throws {
    let url = Repository.root.appendingPathComponent("tools/goldens/images/outlines.json")
    let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
    #expect(cases.count == 275)
    for golden in cases {
      let size = #""width": \#(golden.width), "height": \#(golden.height)"#
      let dataset = try dataset(
        images: #"{"id": 9, "file_name": "a.jpg", \#(size)}"#,
        annotations: #"{"id": 1, "image_id": 9, "segmentation": \#(golden.segmentation)}"#)
      let mask = try dataset.mask(for: dataset.annotations[0])
      #expect(mask.area == golden.area && crc32(mask.pixels) == golden.crc32, "\(golden.name)")
    }
  }

  @Test(
    "a bad part costs the part, and is counted",
    arguments: [
      "[1, 1]", "[]", "[1, 1, 2, 2]", "[1, 1, 2, 2, 3]", "7", "null", "\"x\"", "[0, 0, 1, 1, 2, NaN]",
      "[0, 0, 1, 1, 2, 1e300]",
      "[0, 0, 1, 1, 2, null]", "[0, 0, 1, 1, 2, \"b\"]", "[[0, 0, 1, 1, 2, 2]]", "{}", #"{"size": [3, 4]}"#,
      #"{"size": [3, 5], "counts": [15]}"#, #"{"size": [3, 4], "counts": [13]}"#, #"{"size": [3, 4], "counts": "oo"}"#,
    ])
  func badPart(part: String) throws {
    let good = "[0, 0, 2, 0, 2, 2, 0, 2]"
    let list = ["[\(good), \(part)]", "[\(part), \(good)]", square, "[\(part), \(part)]"].enumerated().map {
      #"{"id": \#($0), "image_id": 9, "description": "x", "segmentation": \#($1)}"#
    }
    let dataset = try dataset(annotations: list.joined(separator: ","))
    #expect(dataset.problems.isEmpty)
    for annotation in dataset.annotations.prefix(3) {
      #expect(try dataset.mask(for: annotation).pixels == [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0])
    }
    #expect(failure { try dataset.mask(for: dataset.annotations[3]) } != nil)
    let problems = dataset.outlineProblems(of: dataset.annotations)
    #expect(problems.listed.map(\.cost) == [.part, .part, .record])
    #expect(problems.lostParts(of: 4)?.hasPrefix("2 of 4 objects") == true)
    #expect(dataset.sampleProblems(of: dataset.annotations).lost.map(\.id) == [3])
    #expect(dataset.sampleProblems(of: dataset.annotations).refusal?.hasPrefix("3 ") == true)
  }

  @Test("outlines that pycocotools reads differently are rewritten so that it reads them in the same way")
  func written() throws {
    let good = "[0, 0, 2, 0, 2, 2, 0, 2]"
    let runs = #"{"size": [3, 4], "counts": [3, 2, 7]}"#
    let list = [
      "[\(good)]", "[[1], \(good), [2, 2]]", "[\(runs)]", "[\(good), \(runs)]", #"{"size": [3, 4], "counts": [3, 2]}"#,
      #"{"size": [3, 4], "counts": "32"}"#, runs, #"[{"size": [3, 4], "counts": "327"}]"#,
    ]
    let dataset = try dataset(
      annotations: list.enumerated().map { #"{"id": \#($0), "image_id": 9, "segmentation": \#($1)}"# }
        .joined(separator: ","))
    let plain = try dataset.annotations.map { try dataset.checkOutline(of: $0).isPlain }
    #expect(plain == [true, false, false, false, false, false, true, false])
    let json = try dataset.json(
      of: dataset.annotations.map {
        KeyObjectDataset.DescribedAnnotation($0, description: "x", hasPlainOutline: false)
      },
      info: "{}")
    let written = String(decoding: json, as: UTF8.self).components(separatedBy: "\"segmentation\": [\(good)], ")
    #expect(written.count == 3, "polygons stay polygons")
    let again = try KeyObjectDataset(json: json, name: "again.json")
    #expect(again.annotations.count == list.count)
    for (a, b) in zip(dataset.annotations, again.annotations) {
      #expect(try dataset.mask(for: a) == again.mask(for: b))
      #expect(try again.checkOutline(of: b).isPlain)
    }
  }

  @Test("an outline in which every part goes to and fro for ever is refused, not walked", .timeLimit(.minutes(1)))
  func endless() throws {
    let part = "[" + (0..<200).map { "\($0 % 2 == 0 ? -1e6 : 1e6), \($0)" }.joined(separator: ", ") + "]"
    let parts = Array(repeating: part, count: 200).joined(separator: ",")
    let dataset = try dataset(
      annotations:
        #"{"id": 1, "image_id": 9, "segmentation": [\#(parts)]}, {"id": 2, "image_id": 9, "segmentation": [\#(parts), \#(square.dropFirst())}"#
    )
    #expect(failure { try dataset.mask(for: dataset.annotations[0]) }?.contains("long") == true)
    #expect(try dataset.mask(for: dataset.annotations[1]).area == 4)
  }
}
