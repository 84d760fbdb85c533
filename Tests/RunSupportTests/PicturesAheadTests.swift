import Foundation
import IO
import ImageInput
import Synchronization
import TestSupport
import Testing

@testable import RunSupport

@Suite("Pictures that are read in advance")
struct PicturesAheadTests {
  private static func image(_ value: UInt8) -> RGBImage {
    RGBImage(width: 4, height: 2, pixels: [UInt8](repeating: value, count: 24))
  }

  /// The pictures 1.png to 3.png, one that is broken, and one that is missing.
  private func pictures(in folder: URL) throws -> Pictures {
    for value in UInt8(1)...3 {
      try Data(encodePNG(Self.image(value))).write(to: folder.appendingPathComponent("\(value).png"))
    }
    try Data([1, 2, 3]).write(to: folder.appendingPathComponent("broken.png"))
    let names = ["1.png", "2.png", "3.png", "broken.png", "gone.png"]
    return Pictures(
      in: folder, missing: ["gone.png"], host: "node3",
      stamps: PictureStamps(names, try PictureStamps.examine(names, in: folder)))
  }

  @Sendable private static func firstPixel(_ image: RGBImage) throws -> PatchBatch {
    if image.pixels[0] == 3 { throw ImageError(problem: "is a 3") }
    return PatchBatch(pixelValues: [Float(image.pixels[0])], grids: [PatchGrid(rows: 1, columns: 1)])
  }

  @Test("are the same pictures, with what the processor made of them; others are read when they are wanted")
  func same() throws {
    try ScratchFolder.with { scratch in
      let pictures = try pictures(in: scratch.url).readAhead(Self.firstPixel)
      pictures.prepare("1.png")
      let first = try pictures.image("1.png", size: (4, 2))
      #expect(try first.image == Self.image(1) && first.patches?.get().pixelValues == [1])
      let second = try pictures.image("2.png", size: nil)
      #expect(second.image == Self.image(2) && second.patches == nil)
      // What the processor throws is for whoever shows the picture to the model.
      pictures.prepare("3.png")
      let third = try pictures.image("3.png", size: nil)
      #expect(third.image == Self.image(3))
      #expect(throws: ImageError(problem: "is a 3")) { try third.patches?.get() }
    }
  }

  @Test("fail where they are wanted, as pictures that are read then do")
  func faults() throws {
    try ScratchFolder.with { scratch in
      let plain = try pictures(in: scratch.url)
      let ahead = plain.readAhead(Self.firstPixel)
      try FileManager.default.removeItem(at: scratch.file("2.png"))
      try Data("another".utf8).write(to: scratch.file("3.png"))
      for (name, size) in [
        ("broken.png", nil), ("gone.png", nil), ("2.png", nil), ("3.png", nil), ("../outside.png", nil),
        ("1.png", (5, 2)),
      ] as [(String, (Int, Int)?)] {
        ahead.prepare(name)
        let expected = #expect(throws: (any Error).self) { try plain.image(name, size: size) }
        let error = #expect(throws: (any Error).self) { try ahead.image(name, size: size) }
        #expect(
          error.map { "\($0)" } == expected.map { "\($0)" } && error is any ContentFault == expected is any ContentFault
        )
      }
      #expect(failure { try ahead.image("2.png", size: nil) }?.contains("missing now") == true)
    }
  }

  private func failure(_ body: () throws -> PreparedImage) -> String? {
    do { _ = try body() } catch { return "\(error)" }
    return nil
  }

  private static func picture(_ value: UInt8) throws -> PicturesAhead.ReadPicture {
    PicturesAhead.ReadPicture(picture: try decodePicture(encodePNG(image(value)), name: "x"), patches: nil)
  }

  @Test("take little memory: one that nobody takes makes room for the next")
  func memory() throws {
    let read = Mutex<[String]>([])
    let ahead = PicturesAhead { name in
      read.withLock { $0.append(name) }
      return try Self.picture(1)
    }
    for name in ["a", "b", "c"] {
      ahead.begin(name)
      while read.withLock({ $0.last }) != name { usleep(1000) }
    }
    #expect(try ahead.take("c")?.get().picture.image == Self.image(1))
    #expect(ahead.take("a") == nil && ahead.take("b") == nil && ahead.take("c") == nil)
    #expect(read.withLock { $0 } == ["a", "b", "c"])
  }

  @Test("a file system that hangs holds up neither other pictures nor the end")
  func hung() throws {
    let gate = DispatchSemaphore(value: 0)
    defer { gate.signal() }
    let isReading = Mutex(false)
    var ahead: PicturesAhead? = PicturesAhead { _ in
      isReading.withLock { $0 = true }
      gate.wait()
      return try Self.picture(1)
    }
    ahead?.begin("hangs")
    while !isReading.withLock({ $0 }) { usleep(1000) }
    ahead?.begin("waits")
    #expect(ahead?.take("waits") == nil && ahead?.take("other") == nil)
    ahead = nil
  }
}
