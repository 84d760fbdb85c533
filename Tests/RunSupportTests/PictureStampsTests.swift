import Foundation
import IO
import RunSupport
import TestSupport
import Testing

@Suite("Pictures that change")
struct PictureStampsTests {
  private static let names = (0..<300).map { "\($0 % 7)/\($0).png" } + ["gone.png", "../outside.png"]

  private func pictures(in folder: URL) throws -> Pictures {
    for number in 0..<7 {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent("\(number)"), withIntermediateDirectories: true)
    }
    for name in Self.names.prefix(300) { try Data(name.utf8).write(to: folder.appendingPathComponent(name)) }
    return Pictures(
      in: folder, missing: ["gone.png"], host: "node3",
      stamps: PictureStamps(Self.names, try PictureStamps.examine(Self.names, in: folder)))
  }

  @Test("stop the run when they are read, with host and file; the others don't")
  func changed() throws {
    try ScratchFolder.with { scratch in
      let pictures = try pictures(in: scratch.url)
      for name in Self.names { #expect(try pictures.reading(name) { name } == name) }
      #expect(try pictures.reading("unknown.png") { 1 } == 1)

      try Data("another".utf8).write(to: scratch.file("3/3.png"))
      let same = scratch.file("4/4.png")
      try Data("4/4.PNG".utf8).write(to: same)
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: same.path)
      try Data([1]).write(to: scratch.file("gone.png"))
      for (name, words) in [
        ("3/3.png", "changed since the run began"), ("4/4.png", "changed since the run began"),
        ("gone.png", "did not exist when the run began"),
      ] {
        let message = "host node3: \(scratch.file(name).path): \(words)"
        #expect { try pictures.reading(name) { 1 } } throws: {
          ($0 as? JobError)?.description.hasPrefix(message) == true
        }
        // What can't be decoded is no fault of the data then.
        #expect {
          try pictures.reading(name) { throw SampleFault("no picture") }
        } throws: { ($0 as? JobError)?.description.hasPrefix(message) == true }
      }
      #expect(try pictures.reading("5/5.png") { 1 } == 1)
      #expect(throws: SampleFault.self) { try pictures.reading("5/5.png") { throw SampleFault("no picture") } }
    }
  }

  @Test("a copy with the same size and time is the same picture")
  func copied() throws {
    try ScratchFolder.with { scratch in
      let pictures = try pictures(in: scratch.url)
      let url = scratch.file("1/1.png")
      let time = try #require(try FileManager.default.attributesOfItem(atPath: url.path)[.modificationDate] as? Date)
      let copy = scratch.file("copy")
      try Data("1/1.png".utf8).write(to: copy)
      try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: copy.path)
      // Foundation's dates are not exact to the nanosecond: the original gets the same.
      try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: url.path)
      let stamps = try [url, copy].map { try #require(try FileStamp($0.path)) }
      #expect(stamps[0].modified == stamps[1].modified && stamps[0].size == stamps[1].size)
      let again = PictureStamps(["1/1.png"], try PictureStamps.examine(["1/1.png"], in: scratch.url))
      #expect(rename(copy.path, url.path) == 0)
      let renewed = Pictures(in: scratch.url, missing: [], stamps: again)
      #expect(try renewed.reading("1/1.png") { 1 } == 1)
      _ = pictures
    }
  }
}
