import COCO
import Foundation
import TestSupport
import Testing

@testable import KeyObjects

@Suite("Objects among others of their category")
struct UniqueObjectTests {
  private static func square(
    _ id: Int, _ category: Int = 18, image: Int = 1, x: Int = 0, side: Int, _ more: String = ""
  )
    -> String
  {
    """
    {"id": \(id), "image_id": \(image), "category_id": \(category), "area": \(side * side), "bbox": [\(x), 0, \(side), \(side)], \
    "segmentation": [[\(x), 0, \(x + side), 0, \(x + side), \(side), \(x), \(side)]]\(more)}
    """
  }

  /// What a build with the default rules makes of these annotations: descriptions by id, and what is left out.
  private func build(
    _ annotations: [String], caption: String = "A brown dog near a wall",
    _ change: (inout KeyObjectRules) -> Void = { _ in }
  ) throws -> (built: [Int64: String], leftOut: [String: Int], info: [String: Any]) {
    try ScratchFolder.with { scratch in
      var c = try SmallCOCO(scratch, annotations: annotations).configuration
      let captions = try #require(c.captions)
      let text = try String(contentsOf: captions, encoding: .utf8)
        .replacingOccurrences(of: "A brown dog near a wall", with: caption)
      try Data(text.utf8).write(to: captions)
      c.rules = KeyObjectRules()
      c.rules.perImage = 9
      change(&c.rules)
      let summary = try DatasetBuilder(c).run()
      let dataset = try KeyObjectDataset(contentsOf: c.output)
      let json = try JSONSerialization.jsonObject(with: Data(contentsOf: c.output)) as? [String: Any]
      return (
        Dictionary(uniqueKeysWithValues: dataset.annotations.map { ($0.id, $0.description ?? "") }),
        Dictionary(uniqueKeysWithValues: summary.leftOut.map { ($0.name, $0.objects) }),
        try #require(json?["info"] as? [String: Any])
      )
    }
  }

  private let ambiguous = "not the only one of its category"

  @Test("an object that shares its image with another of its category is left out, a small one or a crowd too")
  func shared() throws {
    for other in [
      Self.square(2, x: 50, side: 25), Self.square(2, x: 50, side: 3),
      Self.square(2, x: 0, side: 60, #", "iscrowd": 1"#),
    ] {
      let made = try build([Self.square(1, side: 30), other, Self.square(3, 17, side: 30)])
      #expect(made.built == [3: "a cat"])
      #expect(made.leftOut[ambiguous, default: 0] >= 1)
      let all = try build([Self.square(1, side: 30), other, Self.square(3, 17, side: 30)]) { $0.unique = false }
      #expect(all.built[1] == "a brown dog" && all.leftOut[ambiguous] == nil)
    }
  }

  @Test("an object outlined twice is one object: the first outline is taken")
  func outlinedTwice() throws {
    let made = try build([Self.square(1, side: 30), Self.square(2, side: 31)])
    #expect(made.built == [1: "a brown dog"])
    #expect(made.leftOut == ["the same object again": 1])
    // Boxes that agree are not enough: these outlines share nothing.
    let halves = ["[[0, 0, 30, 0, 0, 30]]", "[[30, 1, 30, 30, 1, 30]]"].enumerated().map {
      #"{"id": \#($0 + 1), "image_id": 1, "category_id": 18, "area": 500, "bbox": [0, 0, 30, 30], "segmentation": \#($1)}"#
    }
    #expect(try build(halves + [Self.square(3, 17, side: 30)]).built == [3: "a cat"])
  }

  @Test("a comparison of sizes tells two apart if one is clearly larger")
  func toldApart() throws {
    let (large, small) = (Self.square(1, side: 60), Self.square(2, x: 60, side: 30))
    #expect(try build([large, small], caption: "The larger dog sleeps").built == [1: "the larger dog"])
    #expect(try build([large, small], caption: "A smaller dog sleeps").built == [2: "the smaller dog"])
    let both = [Self.square(3, 17, side: 30), Self.square(1, side: 40), Self.square(2, x: 50, side: 35)]
    #expect(try build(both, caption: "The larger dog sleeps").built == [3: "a cat"])
    let three = [large, small, Self.square(4, x: 80, side: 20), Self.square(3, 17, side: 30)]
    #expect(try build(three, caption: "The larger dog sleeps").built == [3: "a cat"])
    #expect(try build(three, caption: "The largest dog sleeps").built == [1: "the largest dog", 3: "a cat"])
    let named = try build([large, small, Self.square(3, 17, side: 30)], caption: "The larger dog") {
      $0.describe = .category
    }
    #expect(named.built == [3: "a cat"])
  }

  @Test("categories can be left out, and objects that no caption names")
  func excludedAndUnnamed() throws {
    let annotations = [Self.square(1, side: 30), Self.square(2, 17, side: 30), Self.square(3, 1, image: 2, side: 30)]
    #expect(try build(annotations) { $0.excluded = ["cat", "person"] }.built == [1: "a brown dog"])
    let mentioned = try build(annotations) { $0.requireMention = true }
    #expect(Set(mentioned.built.keys) == [1, 3])
    #expect(mentioned.leftOut == ["not named by a caption": 1])
    #expect(try build(annotations) { ($0.categories, $0.excluded) = (["dog", "cat"], ["dog"]) }.built == [2: "a cat"])
  }

  @Test("the file says how many were left out and why, and how many images have no caption")
  func counted() throws {
    let annotations = [Self.square(1, side: 30), Self.square(2, x: 50, side: 3), Self.square(3, 17, side: 30)]
    let info = try build(annotations, caption: " ").info
    #expect(info["left_out"] as? [String: Int] == ["below min-area": 1, ambiguous: 1])
    #expect(info["examined"] as? Int == 3)
    #expect(info["images_without_caption"] as? Int == 1)
    let rules = try #require(info["key_object_rules"] as? [String: Any])
    #expect(rules["unique"] as? Bool == true && rules["require_mention"] as? Bool == false)
  }

  @Test("boxes and areas decide only where they are stated")
  func unstated() {
    func member(_ id: Int64, _ area: Double?, _ box: BoundingBox? = nil, isCrowd: Bool = false) -> SameCategory.Member {
      SameCategory.Member(id: id, isCrowd: isCrowd, area: area, box: box)
    }
    let unknown = SameCategory([member(1, 100), member(2, nil)]) { _, _ in 0 }
    #expect(unknown.distinct.map(\.id) == [1, 2])
    #expect(unknown.rank(of: 1) == SizeRank(count: 2, isLargest: false, isSmallest: false))
    let crowd = SameCategory([member(1, 100), member(2, 10, isCrowd: true)]) { _, _ in 1 }
    #expect(crowd.distinct.count == 2 && !crowd.rank(of: 1).isLargest)
    #expect(SameCategory([member(1, 100), member(2, 99)]) { _, _ in nil }.repeated.isEmpty)
    #expect(SameCategory([member(2, 100), member(1, 99)]) { _, _ in 0.8 }.repeated == [2])
    let apart = BoundingBox(x: 0, y: 0, width: 1, height: 1)
    let far = BoundingBox(x: 5, y: 0, width: 1, height: 1)
    #expect(SameCategory([member(1, 1, apart), member(2, 1, far)]) { _, _ in 1 }.repeated.isEmpty)
  }
}

@Suite("Existing outputs of dataset commands")
struct ExistingOutputTests {
  @Test("a build replaces an earlier one only if it may, and nothing else")
  func build() throws {
    try ScratchFolder.with { scratch in
      var c = try SmallCOCO(scratch).configuration
      _ = try DatasetBuilder(c).run()
      let before = try Data(contentsOf: c.output)
      let refusal = try #require(failure { try DatasetBuilder(c).run() })
      #expect(refusal.contains("already exists") && refusal.contains("--overwrite"), "\(refusal)")
      c.rules.minArea = 0.5
      c.rules.maxArea = 0.9
      c.overwrites = true
      _ = try DatasetBuilder(c).run()
      #expect(try Data(contentsOf: c.output) != before)
      let foreign = scratch.file("foreign.json")
      try Data(#"{"info": {}, "images": [], "annotations": []}"#.utf8).write(to: foreign)
      for (url, what) in [(foreign, "no output of dataset build"), (c.instances, "an input of dataset build")] {
        c.output = url
        let kept = try Data(contentsOf: url)
        #expect(failure { try DatasetBuilder(c).run() }?.contains(what) == true)
        #expect(try Data(contentsOf: url) == kept)
      }
    }
  }
}
