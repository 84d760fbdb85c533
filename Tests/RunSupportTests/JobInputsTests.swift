import Foundation
import IO
import ImageInput
import TestSupport
import Testing

@testable import RunSupport

@Suite("Inputs of a job")
struct JobInputsTests {
  @Test("an image is read below its folder, with the size that the dataset states, and from nowhere else")
  func image() throws {
    try ScratchFolder.with { scratch in
      let inside = scratch.file("images")
      try FileManager.default.createDirectory(at: inside, withIntermediateDirectories: true)
      let png = try encodePNG(RGBImage(width: 3, height: 2, pixels: [UInt8](repeating: 9, count: 18)))
      for url in [inside.appendingPathComponent("a.png"), scratch.file("secret.png")] { try Data(png).write(to: url) }
      #expect(try JobInputs.image("a.png", in: inside, size: (3, 2)).width == 3)
      #expect(try JobInputs.image("a.png", in: inside, size: nil).height == 2)
      for name in ["../secret.png", "x/../../secret.png", scratch.file("secret.png").path] {
        let error = #expect(throws: SampleFault.self) { try JobInputs.image(name, in: inside, size: nil) }
        #expect(error?.description.contains("leaves the images folder") == true)
      }
      let error = #expect(throws: SampleFault.self) { try JobInputs.image("a.png", in: inside, size: (2, 3)) }
      #expect(error?.description == "a.png is 3x2 pixels; the dataset says 2x3")
      #expect(throws: SampleFault.self) { try JobInputs.imageSize("a.png", in: inside, size: (2, 3)) }
      #expect(throws: MissingFile.self) { try JobInputs.image("none.png", in: inside, size: nil) }
      #expect(throws: EnvironmentFault.self) { try JobInputs.image("a.png", in: scratch.file("unmounted"), size: nil) }
    }
  }

  @Test("turned pictures are counted, and said in one line")
  func turned() throws {
    let folder = Repository.root.appendingPathComponent("tools/goldens/images/fixtures")
    let turned = TurnedPictures()
    for name in ["turned-1.jpg", "turned-3.jpg", "turned-6.png", "grey.bmp"] {
      #expect(try JobInputs.image(name, in: folder, size: nil, turned: turned).height > 0)
    }
    #expect(turned.count == 2)
    #expect(TurnedPictures.warning(count: 0) == nil)
    #expect(TurnedPictures.warning(count: turned.count)?.hasPrefix("2 pictures have") == true)
    let error = #expect(throws: SampleFault.self) { try JobInputs.image("turned-6.jpg", in: folder, size: (11, 7)) }
    #expect(error?.description.contains("EXIF orientation 6") == true)
  }

  @Test("a run's identity is decoded as it was encoded, and names what differs")
  func identity() throws {
    let identity = RunIdentity([("model", "größe ☕"), ("--limit", "3")])
    #expect(try RunIdentity(decoding: identity.encode()) == identity)
    #expect(identity.differences(from: identity).isEmpty)
    let other = RunIdentity([("model", "größe ☕"), ("--limit", "none")])
    #expect(identity.differences(from: other) == ["--limit was 3 and now is none"])
    #expect(identity.differences(from: RunIdentity([("model", "größe ☕")])).first?.contains("--limit") == true)
    #expect(identity.differences(from: RunIdentity([("model", "größe ☕"), ("--beams", "1")])).count == 2)
    let another = RunIdentity([("--beams", "1"), ("--objects", "crop"), ("heads", "1.1")])
    #expect(identity.differences(from: another).count == 1, "a run of another kind")
    #expect(identity.without(["--limit"]) == RunIdentity([("model", "größe ☕")]))
    for bytes in [[], Array("{}".utf8), Array(try identity.encode().dropLast())] {
      #expect(throws: JobError.self) { try RunIdentity(decoding: bytes) }
    }
  }

  @Test("what was chosen on another model is refused, naming both; what isn't known is taken")
  func scored() throws {
    let model = URL(fileURLWithPath: "/m")
    try JobInputs.checkScored(nil, by: "s.json", is: "aa", of: model)
    try JobInputs.checkScored("aa", by: "s.json", is: "aa", of: model)
    let error = #expect(throws: JobError.self) { try JobInputs.checkScored("bb", by: "s.json", is: "aa", of: model) }
    for word in ["s.json", "another model", "aa", "bb"] { #expect(error?.description.contains(word) == true) }
  }
}

@Suite("Which run a finished output is of")
struct RunFileTests {
  private let run = RunIdentity([("model", "a"), ("--beams", "1")])

  @Test("the run's own output is known by it, with what was skipped")
  func known() throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("captions.json")
      let bytes = Array("[]".utf8)
      let skips = SkipCounts(samples: 9, skipped: [.missingPicture, .mask, .mask])
      try RunFile(run, output: bytes, skips: skips).write(beside: output)
      try Data(bytes).write(to: output)
      #expect(try RunFile.check(output, isOf: run) == skips)
      #expect(try scratch.names == ["captions.json", "captions.json.run"])
    }
  }

  @Test("another run's, another file, none and a broken one are refused, saying what to do")
  func refused() throws {
    try ScratchFolder.with { scratch in
      let output = scratch.file("captions.json")
      let bytes = Array("[]".utf8)
      try Data(bytes).write(to: output)
      func refusal(_ asked: RunIdentity) -> String { failure { try RunFile.check(output, isOf: asked) } ?? "accepted" }
      #expect(refusal(run).contains("captions.json.run") && refusal(run).contains("--output"))
      try RunFile(run, output: bytes, skips: SkipCounts(samples: 1, skipped: [])).write(beside: output)
      #expect(refusal(RunIdentity([("model", "a"), ("--beams", "2")])).contains("--beams was 1 and now is 2"))
      try Data("[1]".utf8).write(to: output)
      #expect(refusal(run).contains("is not the file"))
      try Data("{}".utf8).write(to: RunFile.url(of: output))
      #expect(refusal(run).contains("captions.json.run"))
    }
  }
}

@Suite("Skips")
struct SkipTests {
  @Test("they are counted by what was wrong, and are too many only above the share that is allowed")
  func counts() throws {
    let none = SkipCounts(samples: 100, skipped: [])
    #expect(none.text == nil && none.report(allowed: 0) == nil && !none.exceed(0))
    let one = SkipCounts(samples: 100, skipped: [.picture])
    #expect(!one.exceed(0.01) && one.exceed(0.009) && one.exceed(0))
    let some = SkipCounts(samples: 100, skipped: [.mask, .missingPicture, .mask])
    #expect(some.text == "3 skipped (1 missing picture, 2 mask)")
    #expect(some.report(allowed: 0.01)?.contains("--allow-skips") == true)
    #expect(some.report(allowed: 0.03)?.contains("--allow-skips") == false)
    #expect(try JSONDecoder().decode(SkipCounts.self, from: JSONEncoder().encode(some)) == some)
    for allowed in [-0.1, 1.1, .nan] { #expect(throws: JobError.self) { try SkipCounts.validate(allowed: allowed) } }
  }

  @Test("a missing picture is a separate kind, whatever was being read")
  func missing() {
    #expect(SkipReason(.picture, MissingFile(path: "/a")).kind == .missingPicture)
    #expect(SkipReason(.mask, SampleFault("x")) == SkipReason(.mask, "x"))
  }
}

@Suite("Pictures of a run")
struct PicturesTests {
  @Test("what is missing is found one by one and by listing folders; a name that leads out isn't looked for")
  func missing() throws {
    try ScratchFolder.with { scratch in
      try FileManager.default.createDirectory(at: scratch.file("sub"), withIntermediateDirectories: true)
      for name in ["a.png", "sub/b.png"] { try Data([1]).write(to: scratch.file(name)) }
      try FileManager.default.createSymbolicLink(atPath: scratch.file("link.png").path, withDestinationPath: "a.png")
      try FileManager.default.createSymbolicLink(atPath: scratch.file("dangling.png").path, withDestinationPath: "none")
      let few: Set = [
        "a.png", "sub/b.png", "sub/c.png", "none/d.png", "a.png/e.png", "../x.png", "/y.png", "link.png",
        "dangling.png",
      ]
      let absent = ["a.png/e.png", "dangling.png", "none/d.png", "sub/c.png"]
      #expect(try Pictures.missing(few, in: scratch.url) == absent)
      let more = (0..<3000).map { String(format: "z%04d.png", $0) }
      let found = try Pictures.missing(few.union(more), in: scratch.url)
      #expect(found == absent + more)
    }
  }

  @Test("a missing picture is a fault of the data only where it was missing from the beginning")
  func vanished() throws {
    let pictures = Pictures(in: URL(fileURLWithPath: "/i"), missing: ["gone.png"])
    func read(_ name: String) throws { try pictures.reading(name) { throw MissingFile(path: "/i/\(name)") } }
    #expect(throws: MissingFile.self) { try read("gone.png") }
    let error = #expect(throws: JobError.self) { try read("there.png") }
    #expect(error?.description.contains("/i/there.png") == true)
  }
}
