import Foundation
import HDF5Store
import HeadImpact
import TestSupport
import Testing

@Suite("Reading a Head Impact file")
struct HeadImpactFileTests {
  @Test("what isn't there, isn't HDF5, or holds something else is refused, naming the file and what is missing")
  func refusals() throws {
    try ScratchFolder.with { scratch throws in
      func message(_ url: URL) -> String {
        do {
          _ = try HeadImpactFile.read(url)
          return "no error"
        } catch {
          return "\(error)"
        }
      }
      let none = message(scratch.file("none.h5"))
      #expect(none.contains("none.h5") && none.contains("No such file"), "\(none)")
      try Data("no HDF5".utf8).write(to: scratch.file("text.h5"))
      let text = message(scratch.file("text.h5"))
      #expect(text.contains("text.h5") && text.contains("not an HDF5 file"), "\(text)")

      try HDF5File.write(to: scratch.file("empty.h5").path) { file throws in try file.write([1.0], to: "x") }
      let empty = message(scratch.file("empty.h5"))
      #expect(empty.contains("empty.h5") && empty.contains("is not the file of a scoring run"), "\(empty)")

      try HDF5File.write(to: scratch.file("no-hi.h5").path) { file throws in
        try file.defineDimension("measure", values: Measure.allCases.map(\.rawValue))
        try file.defineDimension("layer", values: [0, 1] as [Int32])
        try file.defineDimension("head", values: [0] as [Int32])
        try file.defineDimension("sample", values: [4] as [Int64])
      }
      let noHI = message(scratch.file("no-hi.h5"))
      #expect(noHI.contains("no-hi.h5: /hi"), "\(noHI)")

      try HDF5File.write(to: scratch.file("shape.h5").path) { file throws in
        try file.defineDimension("measure", values: Measure.allCases.map(\.rawValue))
        try file.defineDimension("layer", values: [0, 1] as [Int32])
        try file.defineDimension("head", values: [0] as [Int32])
        try file.defineDimension("sample", values: [4] as [Int64])
        try file.write([Double](repeating: 0, count: 6), to: "hi", shape: [6, 1, 1])
      }
      let shape = message(scratch.file("shape.h5"))
      #expect(shape.contains("shape.h5: /hi") && shape.contains("[6, 1, 1]"), "\(shape)")

      try HDF5File.write(to: scratch.file("measure.h5").path) { file throws in
        try file.write(["guess"], to: "measure")
        try file.write([0] as [Int32], to: "layer")
        try file.write([0] as [Int32], to: "head")
        try file.write([4] as [Int64], to: "sample")
      }
      let measure = message(scratch.file("measure.h5"))
      #expect(measure.contains("measure.h5") && measure.contains("guess"), "\(measure)")
    }
  }
}
