import Foundation
import HDF5Store
import HeadImpact
import TestSupport
import Testing

extension ScoringRuns {
  @Suite("Views")
  struct ViewsTests {
    private let tiled = TinyCase.all.first { $0.name == "smolvlm" }

    @Test("a family that shows an image once is refused --views of tiles or the whole, before anything is written")
    func refusal() async throws {
      try await ScratchFolder.with { scratch in
        for views in ["tiles", "global"] {
          try await fail(
            TinyCase.nested.score(to: scratch.file("x.h5"), "--views", views),
            saying: "--views is \(views); it must be all", "qwen2_vl")
        }
        #expect(try scratch.names.isEmpty)
      }
    }

    /// The file's views hold the visual tokens one after another, and tiles lie side by side.
    private func checkViews(in file: URL) throws {
      try HeadImpactFile.open(file) { reader in
        for sample in reader.samples {
          #expect(sample.views.map(\.tokens).reduce(0, +) == sample.tokens.visual)
          let tiles = sample.views.filter { $0.kind == .tile }.map(\.box)
          let (rows, columns) = (Set(tiles.map(\.y0)), Set(tiles.map(\.x0)))
          #expect(rows.count * columns.count == tiles.count)
        }
      }
      let offsets = try values("view_offset", as: Int64.self, in: file)
      let sides = try ["view_rows", "view_columns"].map { try values($0, as: Int32.self, in: file).map(Int64.init) }
      var next: Int64 = 0
      for (index, offset) in offsets.enumerated() {
        #expect(offset == next)
        next += sides[0][index] * sides[1][index]
      }
    }

    @Test("tiles and the whole image are the parts of all visual tokens, with the scores that they have there")
    func parts() async throws {
      let tiled = try #require(tiled)
      try await ScratchFolder.with { scratch in
        for views in ["all", "tiles", "global"] {
          try await succeed(
            tiled.score(
              to: scratch.file("\(views).h5"), "--views", views, "--save-scores", "--precision", "f32"))
        }
        func counts(_ views: String) throws -> [Int] {
          try values("visual_tokens", as: Int32.self, in: scratch.file("\(views).h5")).map(Int.init)
        }
        let (all, tiles, whole) = (try counts("all"), try counts("tiles"), try counts("global"))
        #expect(!all.isEmpty && zip(tiles, whole).map(+) == all)
        #expect(Set(whole).count == 1 && tiles.contains { $0 > whole[0] })
        for views in ["all", "tiles", "global"] { try checkViews(in: scratch.file("\(views).h5")) }
        let samples = try values("sample", as: Int64.self, in: scratch.file("all.h5"))
        for (index, id) in samples.enumerated() {
          func scores(_ views: String) throws -> [Float] {
            try savedScores(of: id, in: scratch.file("\(views).h5"))
          }
          let (together, first, last) = (try scores("all"), try scores("tiles"), try scores("global"))
          for head in 0..<together.count / all[index] {
            let line = together[head * all[index]..<(head + 1) * all[index]]
            let parts =
              first[head * tiles[index]..<(head + 1) * tiles[index]]
              + last[head * whole[index]..<(head + 1) * whole[index]]
            #expect(Array(line) == Array(parts), "sample \(id), head \(head)")
          }
        }
      }
    }
  }
}
