import Foundation
import HDF5Store
import HeadImpact
import Testing

/// A file that version 0.4 of this program made, of two samples of the smallest test model
/// (`score --limit 2 --bootstrap 10 --precision f32 --resize pillow --save-scores`).
@Suite("Head Impact files of version 1")
struct VersionOneTests {
  private static let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Goldens/version-1.h5")

  @Test("are read by the same reader: what they don't hold is nil")
  func read() throws {
    try HeadImpactFile.open(Self.file) { reader throws in
      #expect(reader.version == 1)
      #expect(reader.table.corrected == nil && reader.beyondChance == nil && reader.correctedInterval == nil)
      #expect(reader.categories.isEmpty && reader.correctedLayerTopFrequency == nil)
      #expect(reader.samples.count == 2 && reader.table.samples == 2)
      var sums = [Double](repeating: 0, count: reader.table.hi.count)
      try reader.forEachSampleWithChance { _, values, chance in
        #expect(chance == nil)
        for (place, value) in values.enumerated() { sums[place] += Double(value) / 2 }
      }
      #expect(zip(sums, reader.table.hi).allSatisfy { abs($0 - $1) < 1e-6 })
      for sample in reader.samples {
        #expect(sample.source == nil)
        #expect(try reader.tokenMask(of: sample) == nil)
        #expect(sample.views.map(\.tokens).reduce(0, +) == sample.tokens.visual)
        let all = try #require(try reader.scores(of: sample))
        let last = try #require(
          try reader.scores(of: sample, layer: reader.table.layers - 1, head: reader.table.heads - 1))
        #expect(all.count == reader.table.layers * reader.table.heads * sample.tokens.visual)
        #expect(Array(all.suffix(sample.tokens.visual)) == last)
      }
    }
  }

  @Test("are recognised as the outputs of their runs, scores included")
  func origin() throws {
    let (identity, skipped) = try HeadImpactFile.origin(of: Self.file)
    #expect(identity.programVersion == "0.4.0" && identity.limit == 2 && identity.savesScores && skipped.isEmpty)
    #expect(try HeadImpactFile.read(Self.file).version == 1)
  }
}
