import Foundation
import Jobs
import MessagePassing
import RunSupport
import TestSupport
import Testing

@Suite("Pictures of a run, as its ranks see them")
struct SharedPicturesTests {
  @Test("a folder that is not there, or empty, stops the run", arguments: ["none", "empty", "full"])
  func folder(name: String) throws {
    try ScratchFolder.with { scratch in
      for folder in ["empty", "full"] {
        try FileManager.default.createDirectory(at: scratch.file(folder), withIntermediateDirectories: true)
      }
      try Data([1]).write(to: scratch.file("full/a.png"))
      try Communicator.withWorld(environment: [:]) { world in
        func open() throws -> Set<String> {
          try Pictures(["a.png", "b.png"], in: scratch.file(name), on: world).missing
        }
        if name == "full" {
          let found = try open()
          #expect(found == ["b.png"])
        } else {
          let text = failure(open) ?? "accepted"
          #expect(text.contains(scratch.file(name).path), "\(text)")
        }
      }
    }
  }
}
