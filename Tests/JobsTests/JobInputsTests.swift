import Files
import Foundation
import ImageInput
import Jobs
import TestSupport
import Testing

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
        let error = #expect(throws: PictureFault.self) { try JobInputs.image(name, in: inside, size: nil) }
        #expect(error?.description.contains("leaves the images folder") == true)
      }
      let error = #expect(throws: PictureFault.self) { try JobInputs.image("a.png", in: inside, size: (2, 3)) }
      #expect(error?.description == "a.png is 3x2 pixels; the dataset says 2x3")
      #expect(throws: PictureFault.self) { try JobInputs.imageSize("a.png", in: inside, size: (2, 3)) }
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
    let error = #expect(throws: PictureFault.self) { try JobInputs.image("turned-6.jpg", in: folder, size: (11, 7)) }
    #expect(error?.description.contains("EXIF orientation 6") == true)
  }

  @Test("a run's identity is decoded as it was encoded, and names what differs")
  func identity() throws {
    let identity = RunIdentity([("model", "größe ☕"), ("--limit", "3")])
    #expect(try RunIdentity(decoding: identity.encode()) == identity)
    #expect(identity.differences(from: identity).isEmpty)
    let other = RunIdentity([("model", "größe ☕"), ("--limit", "none")])
    #expect(identity.differences(from: other) == ["--limit was 3 and now is none"])
    #expect(!identity.differences(from: RunIdentity([("model", "größe ☕")])).isEmpty)
    for bytes in [[], Array("{}".utf8), Array(try identity.encode().dropLast())] {
      #expect(throws: JobError.self) { try RunIdentity(decoding: bytes) }
    }
  }
}
