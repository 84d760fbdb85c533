import Foundation
import Testing

@testable import HDF5Store

@Suite("Written and read back")
struct RoundTripTests {
  private func roundTrip<T: HDF5Element & Equatable>(_ values: [T], shape: [Int], _ storage: HDF5Storage) throws {
    try Scratch.with { scratch throws in
      try HDF5File.write(to: scratch.path("a.h5")) { try $0.write(values, to: "x", shape: shape, storage: storage) }
      try HDF5File.read(from: scratch.path("a.h5")) { file throws in
        #expect(try file.read("x", as: T.self) == HDF5Array(shape: shape, values: values))
        #expect(try file.elementType(of: "x") == T.elementType)
      }
      #expect(try scratch.names == ["a.h5"])
    }
  }

  @Test(
    "numbers of every type keep every bit, plain and compressed",
    arguments: [HDF5Storage.contiguous, .compressed(level: 9)])
  func numbers(storage: HDF5Storage) throws {
    try roundTrip(
      [0, -0.0, .greatestFiniteMagnitude, .leastNonzeroMagnitude, .infinity, 1] as [Float], shape: [2, 3], storage)
    try roundTrip([.pi, -.infinity, .leastNonzeroMagnitude, 0] as [Double], shape: [2, 1, 2], storage)
    try roundTrip([.min, .max, 0] as [Int32], shape: [3], storage)
    try roundTrip([.min, .max, 0] as [Int64], shape: [3], storage)
    try roundTrip([0, 255] as [UInt8], shape: [2], storage)
    try roundTrip([42] as [Int64], shape: [], storage)
    try roundTrip([] as [Double], shape: [0], storage)
    try roundTrip([] as [Float], shape: [0, 4], storage)
  }

  @Test("strings of any language, empty ones too")
  func strings() throws {
    let texts = ["", "a woman standing", "übung", "犬が走る", "🤹🏽‍♀️ e\u{301}", String(repeating: "long ", count: 5000)]
    try Scratch.with { scratch throws in
      try HDF5File.write(to: scratch.path("a.h5")) {
        try $0.write(texts, to: "/skipped/reason")
        try $0.write([String](), to: "none")
        try $0.write(texts, to: "square", shape: [2, 3])
      }
      try HDF5File.read(from: scratch.path("a.h5")) { file throws in
        #expect(try file.readStrings("skipped/reason").values.map { Array($0.utf8) } == texts.map { Array($0.utf8) })
        #expect(try file.readStrings("none") == HDF5Array(shape: [0], values: []))
        #expect(try file.readStrings("square").shape == [2, 3])
        #expect(try file.elementType(of: "none") == .string)
      }
    }
  }

  @Test("many strings, short and one long one, in many chunks")
  func manyStrings() throws {
    let texts = (0..<3000).map { $0 == 1234 ? String(repeating: "größer ", count: 1000) : "text no. \($0)" }
    try Scratch.with { scratch throws in
      let path = scratch.path("a.h5")
      try HDF5File.write(to: path) { file throws in
        try file.write(texts, to: "text")
        try file.write(texts, to: "square", shape: [30, 100])
        try file.setAttribute("long", .string(texts[1234] + texts[1234] + String(repeating: "x", count: 1 << 17)))
      }
      let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
      // Each string takes 9,000 bytes before it is compressed.
      #expect(size < 2_000_000)
      try HDF5File.read(from: path) { file throws in
        #expect(try file.readStrings("text").values == texts)
        #expect(try file.readStrings("square") == HDF5Array(shape: [30, 100], values: texts))
        #expect(
          try file.attribute("long") == .string(texts[1234] + texts[1234] + String(repeating: "x", count: 1 << 17)))
      }
    }
  }

  @Test("chunks compressed elsewhere are those that the library makes, byte for byte")
  func compressedElsewhere() throws {
    let row = 1000
    // Five rows in chunks of two: the last one is filled up with zeros.
    let values = (0..<5 * row).map { Float($0 % 97) / 97 + Float($0 % 3) }
    try Scratch.with { scratch throws in
      func write(_ name: String, _ fill: (HDF5File) throws -> Void) throws -> Data {
        try HDF5File.write(to: scratch.path(name)) { file throws in
          try file.createDataset("x", of: Float.self, shape: [5, row], storage: .compressed(chunk: [2, row]))
          try fill(file)
        }
        try HDF5File.read(from: scratch.path(name)) { file throws in
          #expect(try file.read("x", as: Float.self) == HDF5Array(shape: [5, row], values: values))
        }
        return try Data(contentsOf: URL(fileURLWithPath: scratch.path(name)))
      }
      let byRows = try write("rows.h5") { try $0.writeRows(values, to: "x", from: 0) }
      let byChunks = try write("chunks.h5") { file throws in
        let filled = values + [Float](repeating: 0, count: row)
        for first in [0, 2, 4] {
          let chunk = try CompressedChunk(Array(filled[first * row..<(first + 2) * row]))
          try file.writeChunk(chunk, to: "x", from: first)
        }
        #expect(throws: HDF5Error.self) { try file.writeChunk(CompressedChunk(bytes: [1]), to: "x", from: 5) }
      }
      #expect(byRows == byChunks)
    }
  }

  @Test("rows written in any order and grouping, and read in another")
  func rows() throws {
    let values = (0..<7 * 2 * 3).map { Float($0) }
    try Scratch.with { scratch throws in
      try HDF5File.write(to: scratch.path("a.h5")) { file throws in
        try file.createDataset("x", of: Float.self, shape: [7, 2, 3], storage: .compressed(chunk: [2, 2, 2]))
        for rows in [5..<7, 0..<1, 1..<5, 3..<3] {
          try file.writeRows(Array(values[rows.lowerBound * 6..<rows.upperBound * 6]), to: "x", from: rows.lowerBound)
        }
      }
      try HDF5File.read(from: scratch.path("a.h5")) { file throws in
        #expect(try file.read("x", as: Float.self, shape: [7, nil, 3]).values == values)
        let block = try file.readRows(2..<4, of: "x", as: Float.self)
        #expect(block == HDF5Array(shape: [2, 2, 3], values: Array(values[12..<24])))
        #expect(try file.readRows(7..<7, of: "x", as: Float.self).values.isEmpty)
      }
    }
  }

  @Test("more datasets than are kept open, written by turns")
  func manyDatasets() throws {
    try Scratch.with { scratch throws in
      try HDF5File.write(to: scratch.path("a.h5")) { file throws in
        for id in 0..<40 {
          try file.createDataset("scores/\(id)", of: Int32.self, shape: [3, 2], storage: .compressed())
        }
        for row in 0..<3 {
          for id in 0..<40 { try file.writeRows([Int32(id), Int32(row)], to: "scores/\(id)", from: row) }
        }
      }
      try HDF5File.read(from: scratch.path("a.h5")) { file throws in
        #expect(try file.children(of: "scores") == (0..<40).map(String.init))
        for id in 0..<40 {
          let id32 = Int32(id)
          #expect(try file.read("scores/\(id)", as: Int32.self).values == [id32, 0, id32, 1, id32, 2])
        }
      }
    }
  }

  @Test("attributes of the file, a group and a dataset, replaced where set again")
  func attributes() throws {
    let all: [String: HDF5Attribute] = [
      "title": "Head Impact", "empty": "", "ranks": 64, "seed": .integer(.min), "beta": 0.5,
      "layers": .integers([1, 2, 3]), "shares": .doubles([0.25, .infinity]), "names": .strings(["a", "ü"]),
    ]
    try Scratch.with { scratch throws in
      try HDF5File.write(to: scratch.path("a.h5")) { file throws in
        try file.write([1.0], to: "/group/x")
        for object in ["/", "group", "group/x"] {
          for name in all.keys { try file.setAttribute(name, "before", of: object) }
          for (name, value) in all { try file.setAttribute(name, value, of: object) }
        }
      }
      try HDF5File.read(from: scratch.path("a.h5")) { file throws in
        for object in ["/", "group", "group/x"] {
          #expect(try file.attributeNames(of: object) == all.keys.sorted())
          for (name, value) in all { #expect(try file.attribute(name, of: object) == value) }
        }
        #expect(try file.attribute("missing") == nil)
      }
    }
  }

  @Test("dimensions are found in the dataset's group and those above")
  func dimensions() throws {
    try Scratch.with { scratch throws in
      try HDF5File.write(to: scratch.path("a.h5")) { file throws in
        try file.defineDimension("measure", values: ["mean", "otsu"])
        try file.defineDimension("layer", values: [0, 1, 2] as [Int32])
        try file.defineDimension("/scores/visual", length: 4)
        try file.createDataset("hi", of: Double.self, shape: [2, 3], dimensions: ["measure", "layer"])
        try file.createDataset("scores/7", of: Float.self, shape: [3, 4], dimensions: ["layer", "visual"])
        try file.write([1, 2] as [Int32], to: "free")
      }
      try HDF5File.read(from: scratch.path("a.h5")) { file throws in
        #expect(try file.dimensions(of: "hi") == ["measure", "layer"])
        #expect(try file.dimensions(of: "scores/7") == ["layer", "visual"])
        #expect(try file.dimensions(of: "free") == [nil])
        #expect(try file.dimensions(of: "/scores/visual") == ["visual"])
        #expect(try file.children() == ["measure", "layer", "scores", "hi", "free"])
        #expect(try file.exists("/scores/visual"))
        #expect(try file.exists("/scores/none/x") == false)
      }
    }
  }

  @Test("chunks hold whole rows of about 256 KiB, or parts of a row that is longer")
  func chunks() {
    #expect(HDF5File.chunk([5000, 6, 28, 12], elementBytes: 4) == [32, 6, 28, 12])
    #expect(HDF5File.chunk([10, 100], elementBytes: 8) == [10, 100])
    #expect(HDF5File.chunk([10, 1 << 20], elementBytes: 4) == [1, 1 << 16])
    #expect(HDF5File.chunk([3, 0], elementBytes: 4) == [3, 0])
  }
}
