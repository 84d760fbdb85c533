import Foundation
import HDF5Store
import HeadImpact
import TestSupport
import Testing

@Suite("Reading all of a Head Impact file")
struct HeadImpactReaderTests {
  @Test("gives back what was written: tables, tests, samples, their values, masks and scores, what was skipped")
  func everything() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      try SmallFile(savesScores: true).write(to: url)
      try HeadImpactFile.open(url) { reader throws in
        #expect(reader.version == 2)
        #expect(reader.samples.map(\.id) == [10, 20] && reader.samples.map(\.imageID) == [1, 2])
        #expect(reader.samples[1].categoryID == -1 && reader.samples[1].tokens.mask == 1)
        #expect(reader.samples.allSatisfy { $0.views == SmallFile.views[$0.id] })
        #expect(reader.samples[0].source == SmallFile.sources[10])
        // HDF5 ends a string at a zero character.
        #expect(reader.samples[1].source?.description == "a\u{FFFD}b")
        #expect(reader.categories.map(\.id) == [7, 9])
        #expect(reader.categoryName(7) == "tasse" && reader.categoryName(9) == "塔" && reader.categoryName(-1) == nil)
        #expect(reader.skipped == [HeadImpactFile.Skipped(id: 7, kind: "mask", reason: "größe: 0 ☕")])
        #expect(reader.text("dataset_sha256") == "bb" && reader.text("ranks") == nil)
        #expect(reader.text("dataset_name") == "objects.json")
        #expect(reader.interval.count == 24 && reader.layerTopFrequency == [1, 1, 1, 1, 1, 1])
        // Never more than there are layers.
        #expect(reader.topLayers == 1)
        for sample in reader.samples {
          #expect(try reader.tokenMask(of: sample) == SmallFile.masks[sample.id])
          #expect(try reader.scores(of: sample) == SmallFile.scores[sample.id])
          let visual = sample.tokens.visual
          #expect(
            try reader.scores(of: sample, layer: 0, head: 1) == SmallFile.scores[sample.id].map { Array($0[visual...]) }
          )
        }
      }
    }
  }

  @Test("each sample's values come with their chance")
  func samples() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      try SmallFile().write(to: url)
      try HeadImpactFile.open(url) { reader throws in
        var (rows, chances): ([[Float]], [[Float]?]) = ([], [])
        try reader.forEachSampleWithChance { place, values, chance in
          #expect(place == rows.count)
          rows.append(Array(values))
          chances.append(chance.map(Array.init))
        }
        let impacts = try SmallFile.ids.map(SmallFile.impact)
        #expect(rows == impacts.map { $0.hi.map { Float($0) } })
        #expect(chances == impacts.map { $0.chance.map { Float($0) } })
        var again: [[Float]] = []
        try reader.forEachSample { _, values in again.append(Array(values)) }
        #expect(again == rows)
        #expect(try reader.scores(of: reader.samples[0]) == nil)
        #expect(try reader.scores(of: reader.samples[0], layer: 0, head: 0) == nil)
      }
    }
  }

  @Test("corrected values leave out the samples whose chance is 1, and say over how many they are")
  func corrected() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      try SmallFile().write(to: url)
      let contents = try HeadImpactFile.read(url)
      let corrected = try #require(contents.table.corrected)
      #expect(corrected.samples == [Int](repeating: 1, count: 12))
      // (value - 0.5) / 0.5 of the one sample.
      #expect(zip(corrected.hi, try SmallFile.impact(10).hi).allSatisfy { abs($0 - (2 * $1 - 1)) < 1e-12 })
      let test = try #require(contents.beyondChance)
      #expect(test.p.count == 12 && test.holm.count == 12 && test.correction == .holm)
      // Of two images: their values - 0.5 and - 1.
      let difference = try #require(test.difference)
      let values = zip(try SmallFile.impact(10).hi, try SmallFile.impact(20).hi)
      #expect(zip(difference, values).allSatisfy { abs($0 - ($1.0 - 0.5 + $1.1 - 1) / 2) < 1e-9 })
      try HeadImpactFile.open(url) { reader throws in
        #expect(reader.table.corrected?.hi == corrected.hi)
        #expect(reader.correctedInterval?.count == 24 && reader.correctedLayerTopFrequency?.count == 6)
      }
    }
  }

  @Test("a system's turn is an attribute of a run that had one, and of no other")
  func system() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      for system in [nil, "", "Be terse.\nIn one word: größe"] {
        try SmallFile(system: system).write(to: url)
        #expect(try HeadImpactFile.origin(of: url).identity.system == system)
        try HeadImpactFile.open(url) { reader throws in #expect(reader.text("system") == system) }
      }
    }
  }

  @Test("a view on a rectangle that no picture has is refused, naming it", arguments: [1e300, -1e19, .infinity, .nan])
  func rectangles(_ edge: Double) throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      let view = ImageView(
        kind: .wholeImage, grid: ViewGrid(rows: 1, cols: 3), box: Cell(x0: 0, y0: 0, x1: edge, y1: 10))
      try SmallFile(views: [10: [view], 20: SmallFile.views[20] ?? []]).write(to: url)
      #expect {
        try HeadImpactFile.open(url) { _ = $0.samples }
      } throws: {
        "\($0)".contains("\(edge)")
      }
    }
  }

  @Test("no file is written whose samples have other visual tokens than were counted", arguments: [4, 6])
  func counted(_ tokens: Int) throws {
    try ScratchFolder.with { scratch throws in
      let error = #expect(throws: HeadImpactError.self) {
        try SmallFile(visualTokens: tokens).write(to: scratch.file("hi.h5"))
      }
      #expect(error?.description.contains("not the \(tokens) that were counted") == true)
      #expect(try scratch.names.isEmpty)
    }
  }

  @Test("a run that skipped nothing has empty lists with their axis")
  func nothingSkipped() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      try SmallFile(skipped: []).write(to: url)
      try HeadImpactFile.open(url) { #expect($0.skipped.isEmpty) }
      #expect(try HeadImpactFile.origin(of: url).skipped.isEmpty)
    }
  }

  @Test("every axis of every dataset has a dimension, in groups too, and every dataset long_name and units")
  func axes() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      try SmallFile(savesScores: true).write(to: url)
      try HDF5File.read(from: url.path) { file throws in
        let names =
          try file.children().filter { $0 != "skipped" } + file.children(of: "skipped").map { "/skipped/\($0)" }
        #expect(names.count > 40)
        for name in names {
          #expect(try file.dimensions(of: name).allSatisfy { $0 != nil }, "\(name)")
          for attribute in ["long_name", "units"] { #expect(try file.attribute(attribute, of: name) != nil, "\(name)") }
        }
        #expect(try file.dimensions(of: "scores") == ["token", "layer", "head"])
        #expect(try file.dimensions(of: "hi_corrected_interval") == ["bound", "measure", "layer", "head"])
        #expect(try file.dimensions(of: "/skipped/reason") == ["skipped"])
        #expect(try file.attribute("format_version") == 2)
      }
    }
  }

  @Test("a format of the future is refused, naming its version")
  func future() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("hi.h5")
      try HDF5File.write(to: url.path) { file throws in
        try file.write([1.0], to: "hi")
        try file.setAttribute("format_version", 3)
      }
      for read: (URL) throws -> Void in [
        { _ = try HeadImpactFile.read($0) }, { try HeadImpactFile.open($0) { _ in } },
        { _ = try HeadImpactFile.origin(of: $0) },
      ] {
        let error = #expect(throws: HeadImpactError.self) { try read(url) }
        #expect(error?.description.contains("hi.h5: its attribute format_version is 3") == true)
      }
    }
  }

  @Test("another HDF5 file, as training.h5, is refused as no scoring run's")
  func another() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("training.h5")
      try HDF5File.write(to: url.path) { file throws in try file.write([1.0], to: "loss") }
      for read: (URL) throws -> Void in [{ _ = try HeadImpactFile.read($0) }, { try HeadImpactFile.open($0) { _ in } }]
      {
        let error = #expect(throws: HeadImpactError.self) { try read(url) }
        #expect(error?.description.contains("training.h5: is not the file of a scoring run") == true)
      }
    }
  }

  @Test("a file without samples' values is refused, naming what is missing")
  func missing() throws {
    try ScratchFolder.with { scratch throws in
      let url = scratch.file("tables.h5")
      try HDF5File.write(to: url.path) { file throws in
        try file.defineDimension("measure", values: Measure.allCases.map(\.rawValue))
        try file.defineDimension("layer", values: [0] as [Int32])
        try file.defineDimension("head", values: [0] as [Int32])
        try file.defineDimension("sample", values: [4] as [Int64])
        for name in ["hi", "hi_stderr", "hi_chance", "hi_nosink"] {
          try file.write([Double](repeating: 0, count: 6), to: name, shape: [6, 1, 1])
        }
        try file.write([0.0], to: "sink_share", shape: [1, 1])
      }
      #expect(throws: Never.self) { try HeadImpactFile.read(url) }
      let error = try #require(throws: HDF5Error.self) { try HeadImpactFile.open(url) { $0.path } }
      #expect(error.description.contains("tables.h5: /hi_interval"))
    }
  }
}
