import Foundation
import IO
import TestSupport
import Testing

@testable import Demonstration

@Suite("The demonstration dataset")
struct DemoDatasetTests {
  /// Not a PNG, but tells whose picture it is.
  static func stamp(_ width: Int, _ height: Int, _ pixels: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: crc32(pixels).bigEndian, Array.init) + [UInt8(width), UInt8(height)]
  }

  static func json(_ folder: URL, _ name: String) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: folder.appendingPathComponent(name)))
    return try #require(object as? [String: Any])
  }

  @Test("every scene has its picture, key object, caption and questions")
  func files() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let target = folder.appendingPathComponent("demo")
      try DemoDataset(count: 3).write(to: target, encodePNG: Self.stamp)
      let keyObjects = try Self.json(target, "keyobjects.json")
      let images = try #require(keyObjects["images"] as? [[String: Any]])
      let annotations = try #require(keyObjects["annotations"] as? [[String: Any]])
      let captions = try #require(try Self.json(target, "captions.json")["annotations"] as? [[String: Any]])
      let questions = try #require(try Self.json(target, "questions.json")["questions"] as? [[String: Any]])
      let answers = try #require(try Self.json(target, "annotations.json")["annotations"] as? [[String: Any]])
      #expect(images.compactMap { $0["id"] as? Int } == [1, 2, 3])
      #expect(questions.count == 27)
      #expect(answers.compactMap { $0["question_id"] as? Int } == questions.compactMap { $0["question_id"] as? Int })
      for index in 0..<3 {
        let scene = Scene(seed: DemoDataset.Split.test.firstSeed + UInt64(index))
        let name = try #require(images[index]["file_name"] as? String)
        let picture = try Data(contentsOf: target.appendingPathComponent("images").appendingPathComponent(name))
        #expect(Array(picture) == Self.stamp(224, 224, scene.draw().pixels))
        #expect(annotations[index]["description"] as? String == scene.description())
        #expect(captions[index]["caption"] as? String == scene.description())
        #expect((answers[9 * index]["answers"] as? [[String: Any]])?.count == 10)
        #expect(answers[9 * index]["multiple_choice_answer"] as? String == scene.keyObject.colour.rawValue)
      }
    }
  }

  @Test("run lengths go down the columns, zeros first, and add up to the picture")
  func runLengths() {
    // . x     columns: . .  x x  ->  2 zeros, then 2 ones
    // . x
    #expect(ColumnMajorMask(owners: [0, 1, 0, 1], owner: 1, side: 2).counts == [2, 2])
    // x .     a mask that begins with its first pixel begins with no zeros
    // . x
    let diagonal = ColumnMajorMask(owners: [1, 0, 0, 1], owner: 1, side: 2)
    #expect(diagonal.counts == [0, 1, 2, 1])
    #expect(diagonal.area == 2)
    #expect(diagonal.box == [0, 0, 2, 2])
    let low = ColumnMajorMask(owners: [0, 0, 0, 0, 0, 2, 0, 2, 2], owner: 2, side: 3)
    #expect(low.box == [1, 1, 2, 2])
    #expect(low.counts == [5, 1, 1, 2])
  }

  @Test("an annotation's run lengths decode to the scene's mask, and its area and box are the mask's")
  func annotationMask() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let target = folder.appendingPathComponent("demo")
      try DemoDataset(split: .train, count: 1).write(to: target, encodePNG: Self.stamp)
      let file = try Self.json(target, "keyobjects.json")
      let annotation = try #require((file["annotations"] as? [[String: Any]])?.first)
      let segmentation = try #require(annotation["segmentation"] as? [String: Any])
      let counts = try #require(segmentation["counts"] as? [Int])
      var columns: [Bool] = []
      for (index, count) in counts.enumerated() {
        columns += [Bool](repeating: index % 2 == 1, count: count)
      }
      let owners = Scene(seed: DemoDataset.Split.train.firstSeed).draw().owners
      let expected = (0..<224 * 224).map { owners[($0 % 224) * 224 + $0 / 224] == 1 }
      #expect(columns == expected)
      #expect(annotation["area"] as? Int == expected.count { $0 })
    }
  }

  @Test("the same split and count give the same bytes")
  func reproducible() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let (one, two) = (folder.appendingPathComponent("one"), folder.appendingPathComponent("two"))
      try DemoDataset(count: 2).write(to: one, encodePNG: Self.stamp)
      try DemoDataset(count: 2).write(to: two, encodePNG: Self.stamp)
      for name in ["keyobjects.json", "captions.json", "questions.json", "annotations.json"] {
        #expect(
          try Data(contentsOf: one.appendingPathComponent(name)) == Data(contentsOf: two.appendingPathComponent(name)))
      }
    }
  }

  @Test("the splits share no scene with each other or with the model's training")
  func splits() throws {
    let most = DemoDataset.mostScenes
    let train = try DemoDataset(split: .train, count: most).seeds
    let test = try DemoDataset(split: .test, count: most).seeds
    #expect(!train.overlaps(test))
    #expect(train.lowerBound > 1 << 32)  // the model saw some hundred thousand seeds from 0 on
  }

  @Test("a count without sense is refused, naming it", arguments: [0, -1, 1_000_001])
  func badCount(count: Int) {
    let error = #expect(throws: DemonstrationError.self) { try DemoDataset(count: count) }
    #expect(error?.description.contains("not \(count)") == true)
  }

  @Test("somebody else's folder is refused and left alone")
  func foreignFolder() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let mine = folder.appendingPathComponent("thesis.txt")
      try Data("mine".utf8).write(to: mine)
      let error = #expect(throws: FolderError.self) {
        try DemoDataset(count: 1).write(to: folder, overwrites: true, encodePNG: Self.stamp)
      }
      #expect(error?.description.contains(folder.standardizedFileURL.path) == true)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["thesis.txt"])
    }
  }

  @Test("a file in the way is refused, naming it")
  func fileInTheWay() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let file = folder.appendingPathComponent("demo")
      try Data("mine".utf8).write(to: file)
      let error = #expect(throws: FolderError.self) {
        try DemoDataset(count: 1).write(to: file, encodePNG: Self.stamp)
      }
      #expect(error?.description.contains("demo: is a file") == true)
    }
  }

  @Test("an earlier demonstration is replaced as a whole, when asked")
  func replaced() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let target = folder.appendingPathComponent("demo")
      try DemoDataset(count: 2).write(to: target, encodePNG: Self.stamp)
      let error = #expect(throws: FolderError.self) {
        try DemoDataset(count: 1).write(to: target, encodePNG: Self.stamp)
      }
      #expect(error?.description.contains("--overwrite") == true)
      try DemoDataset(count: 1).write(to: target, overwrites: true, encodePNG: Self.stamp)
      let images = target.appendingPathComponent("images").path
      #expect(try FileManager.default.contentsOfDirectory(atPath: images).count == 1)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["demo"])
    }
  }

  @Test("a failure half-way leaves an earlier demonstration as it was, and nothing beside it")
  func failure() throws {
    struct Full: Error {}
    try ScratchFolder.with { scratch in
      let folder = scratch.url
      let target = folder.appendingPathComponent("demo")
      try DemoDataset(count: 2).write(to: target, encodePNG: Self.stamp)
      #expect(throws: Full.self) {
        try DemoDataset(count: 3).write(to: target) { _, _, _ in throw Full() }
      }
      let images = target.appendingPathComponent("images").path
      #expect(try FileManager.default.contentsOfDirectory(atPath: images).count == 2)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["demo"])
    }
  }
}
