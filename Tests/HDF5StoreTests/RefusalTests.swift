import Foundation
import HDF5Store
import TestSupport
import Testing

@Suite("What can't be written or read")
struct RefusalTests {
  /// Expects an error of this module whose text contains `text`.
  private func refuse(_ text: String, _ body: () throws -> Void, _ location: SourceLocation = #_sourceLocation) {
    let error = #expect(throws: HDF5Error.self, sourceLocation: location) { try body() }
    let description = error?.description ?? ""
    #expect(description.contains(text), sourceLocation: location)
  }

  private func sample(_ scratch: Scratch) throws -> String {
    let path = scratch.path("good.h5")
    try HDF5File.write(to: path) { file throws in
      try file.write((0..<20_000).map { Double($0) }, to: "x", shape: [200, 100])
      try file.write((0..<2000).map { Double($0) }, to: "packed", storage: .compressed())
      try file.write([Int64.max], to: "long")
      try file.write(["text"], to: "text")
    }
    return path
  }

  @Test("a file that isn't there, isn't HDF5, or isn't a file at all")
  func notHDF5() throws {
    try Scratch.with { scratch throws in
      refuse("none.h5: can't open: No such file or directory") { _ = try HDF5File.open(scratch.path("none.h5")) }
      try Data("{\"a\": 1}".utf8).write(to: scratch.folder.appendingPathComponent("a.json"))
      refuse("a.json: can't open: not an HDF5 file") { _ = try HDF5File.open(scratch.path("a.json")) }
      try Data().write(to: scratch.folder.appendingPathComponent("empty"))
      refuse("empty: can't open: not an HDF5 file") { _ = try HDF5File.open(scratch.path("empty")) }
      refuse("can't open: not a file") { _ = try HDF5File.open(scratch.folder.path) }
      #expect(mkfifo(scratch.path("pipe"), 0o600) == 0)
      refuse("can't open: not a file") { _ = try HDF5File.open(scratch.path("pipe")) }
    }
  }

  @Test("a file cut anywhere is refused at the latest when its datasets are read")
  func truncated() throws {
    try Scratch.with { scratch throws in
      let whole = try Data(contentsOf: URL(fileURLWithPath: sample(scratch)))
      for share in 0..<40 {
        let cut = scratch.path("cut.h5")
        try whole.prefix(whole.count * share / 40).write(to: URL(fileURLWithPath: cut))
        #expect(throws: HDF5Error.self) {
          try HDF5File.read(from: cut) { file throws in
            _ = try file.read("x", as: Double.self)
            _ = try file.read("packed", as: Double.self)
            _ = try file.readStrings("text")
          }
        }
      }
    }
  }

  @Test("a file with damaged bytes gives values or an error, never a crash")
  func damaged() throws {
    try Scratch.with { scratch throws in
      let whole = try Data(contentsOf: URL(fileURLWithPath: sample(scratch)))
      var refused = 0
      // Structures are in the beginning and the end; the values between can't be told right from wrong.
      for place in Array(stride(from: 0, to: 4096, by: 23))
        + Array(stride(from: whole.count - 2048, to: whole.count, by: 23))
      {
        var bytes = whole
        bytes[bytes.startIndex + place] ^= 0xFF
        let path = scratch.path("damaged.h5")
        try bytes.write(to: URL(fileURLWithPath: path))
        do {
          try HDF5File.read(from: path) { file throws in
            for name in try file.children() {
              if try file.elementType(of: name) == .string {
                _ = try file.readStrings(name)
              } else {
                _ = try file.read(name, as: Double.self)
              }
            }
          }
        } catch is HDF5Error { refused += 1 }
      }
      #expect(refused > 10)
    }
  }

  @Test("a dataset that is missing, of another type, or of another shape")
  func wrongDataset() throws {
    try Scratch.with { scratch throws in
      try HDF5File.read(from: sample(scratch)) { file throws in
        refuse("good.h5: /hi: can't read: there is no such dataset") { _ = try file.read("hi", as: Double.self) }
        refuse("/a/b: can't read: there is no such dataset") { _ = try file.read("/a/b", as: Double.self) }
        refuse("it holds float64, which float32 can't hold") { _ = try file.read("x", as: Float.self) }
        refuse("it holds int64, which int32 can't hold") { _ = try file.read("long", as: Int32.self) }
        refuse("it holds string, which int64 can't hold") { _ = try file.read("text", as: Int64.self) }
        refuse("it holds float64, not string") { _ = try file.readStrings("x") }
        refuse("its shape is [200, 100], not [any, 99]") { _ = try file.read("x", as: Double.self, shape: [nil, 99]) }
        refuse("its shape is [200, 100], not [any]") { _ = try file.read("x", as: Double.self, shape: [nil]) }
        refuse("rows 199..<201 are not in 0..<200") { _ = try file.readRows(199..<201, of: "x", as: Double.self) }
        refuse("/: can't read") { _ = try file.read("/", as: Double.self) }
        refuse("the file is open for reading only") { try file.write([1.0], to: "y") }
        refuse("is not a valid object name") { _ = try file.exists("a/../b") }
        refuse("no such group") { _ = try file.children(of: "none") }
      }
    }
  }

  @Test("values that don't fit what they are written to")
  func wrongWriting() throws {
    try Scratch.with { scratch throws in
      try HDF5File.write(to: scratch.path("a.h5")) { file throws in
        refuse("3 values don't fill the shape [2, 2]") { try file.write([1, 2, 3.0], to: "a", shape: [2, 2]) }
        refuse("the shape [-1] is impossible") { try file.createDataset("a", of: Float.self, shape: [-1]) }
        refuse("is impossible") { try file.createDataset("a", of: Float.self, shape: [.max, .max]) }
        refuse("compression 12 is not in 1...9") {
          try file.write([1.0], to: "level", storage: .compressed(level: 12))
        }
        refuse("don't fit the shape [2]") {
          try file.createDataset("a", of: Float.self, shape: [2], storage: .compressed(chunk: [3]))
        }
        refuse("string 1 has a zero character") { try file.write(["a", "b\0c"], to: "zero") }
        try file.createDataset("rows", of: Float.self, shape: [4, 3])
        refuse("/rows: can't create: there is already an object of this name") {
          try file.createDataset("/rows", of: Float.self, shape: [4, 3])
        }
        refuse("it holds float32, not float64") { try file.writeRows([1, 2, 3.0], to: "rows", from: 0) }
        refuse("4 values are not whole rows") {
          try file.writeRows([Float](repeating: 0, count: 4), to: "rows", from: 0)
        }
        refuse("are not in 0..<4") { try file.writeRows([Float](repeating: 0, count: 6), to: "rows", from: 3) }
        refuse("are not in 0..<4") { try file.writeRows([Float](repeating: 0, count: 6), to: "rows", from: -1) }
        try file.defineDimension("layer", values: [0, 1] as [Int32])
        refuse("axis 0 has length 3, but the dimension /layer has 2") {
          try file.write([1, 2, 3.0], to: "long", dimensions: ["layer"])
        }
        refuse("there is no dimension head") { try file.write([1.0], to: "headless", dimensions: ["head"]) }
        refuse("/rows is not a dimension") { try file.write([1.0], to: "rowed", dimensions: ["rows"]) }
      }
    }
  }

  @Test("a file whose writing fails leaves nothing behind, and an older one as it was")
  func abandoned() throws {
    struct Interrupted: Error {}
    try Scratch.with { scratch throws in
      let path = scratch.path("a.h5")
      #expect(throws: Interrupted.self) {
        try HDF5File.write(to: path) { file throws in
          try file.write([1.0], to: "x")
          #expect(try scratch.names.count == 1 && !FileManager.default.fileExists(atPath: path))
          throw Interrupted()
        }
      }
      #expect(try scratch.names == [])
      try HDF5File.write(to: path) { try $0.write([1.0], to: "x") }
      refuse("a.h5: can't create: a file of this name already exists") { try HDF5File.write(to: path) { _ in } }
      #expect(throws: Interrupted.self) { try HDF5File.write(to: path, replacing: true) { _ in throw Interrupted() } }
      #expect(try HDF5File.read(from: path) { try $0.read("x", as: Double.self).values } == [1])
      try HDF5File.write(to: path, replacing: true) { try $0.write([2.0], to: "x") }
      #expect(try HDF5File.read(from: path) { try $0.read("x", as: Double.self).values } == [2])
      do { _ = try HDF5File.create(at: scratch.path("dropped.h5")) }
      #expect(try scratch.names == ["a.h5"])
    }
  }

  @Test("a finished file takes no more")
  func finished() throws {
    try Scratch.with { scratch throws in
      let file = try HDF5File.create(at: scratch.path("a.h5"))
      try file.commit()
      refuse("the file is closed") { try file.write([1.0], to: "x") }
      refuse("it isn't being written") { try file.commit() }
      file.discard()
      #expect(try scratch.names == ["a.h5"])
    }
  }

  @Test("a folder that isn't there, or may not be written to")
  func folder() throws {
    try Scratch.with { scratch throws in
      refuse("No such file or directory") { _ = try HDF5File.create(at: scratch.path("none/a.h5")) }
      // Not even the superuser may write here.
      refuse("/proc/a.h5: can't create: No such file or directory") { _ = try HDF5File.create(at: "/proc/a.h5") }
      guard geteuid() != 0 else { return }
      #expect(chmod(scratch.folder.path, 0o500) == 0)
      defer { chmod(scratch.folder.path, 0o700) }
      refuse("Permission denied") { _ = try HDF5File.create(at: scratch.path("a.h5")) }
    }
  }

  @Test("a disk that fills up is an error, and the temporary file is removed", arguments: [[], ["rows"]])
  func fullDisk(arguments: [String]) async throws {
    try await Scratch.with { scratch async throws in
      // A process of its own, which may write files of 64 blocks only.
      let run = try await MPIRun.launch(
        "mpi-cases", ["full-disk", scratch.path("a.h5")] + arguments,
        prefix: ["sh", "-c", "ulimit -f 64 && exec \"$@\"", "sh"])
      #expect(!run.timedOut)
      #expect(run.exitCode == 1)
      #expect(run.standardError.hasSuffix("File too large\n"))
      #expect(run.standardOutput == "")
      #expect(try scratch.names == [])
    }
  }
}
