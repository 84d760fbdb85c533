import Foundation
import FoundationXML
import HDF5Store
import HeadImpact
import ImageInput
import TestSupport
import Testing

@testable import Reporting

@Suite("Report of a scoring run")
struct HeadImpactReportTests {
  private func page(
    _ run: SmallRun, pictures: Bool = false, _ change: (inout HeadImpactReport.Options) -> Void = { _ in }
  )
    throws -> Page
  {
    var options = HeadImpactReport.Options(programVersion: "9.9")
    options.topHeads = 2
    if pictures { options.source = PictureSource(dataset: run.dataset, images: run.images) }
    change(&options)
    return try HeadImpactReport.page(of: run.file, options)
  }

  private func rows(_ page: Page, _ name: String) throws -> [[String]] {
    let file = try #require(page.attachments.first { $0.path == "data/\(name).csv" }, "\(name)")
    return String(decoding: file.bytes, as: UTF8.self).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  @Test("has every figure as SVG with its CSV, and every table's CSV")
  func files() throws {
    try ScratchFolder.with { scratch in
      let page = try page(SmallRun(in: scratch))
      let paths = Set(page.attachments.map(\.path))
      let figures = [
        "hi-matched", "hi-mean", "hi-otsu", "hi-soft", "hi-mass", "hi-pointing", "excess-matched", "trend-layers",
        "trend-heads", "agreement-heads", "agreement-layers", "stability-matched", "sink-share", "categories-matched",
      ]
      let tables = ["top-heads", "layer-table", "measures-table", "samples-table", "provenance-table"]
      #expect(
        paths
          == Set(
            figures.map { "figures/\($0).svg" } + (figures + tables).map { "data/\($0).csv" }))
      for figure in figures { #expect(page.html.contains("<figure id=\"\(figure)\">"), "\(figure)") }
    }
  }

  @Test("every figure is well-formed XML that says what it shows, and so alone")
  func svg() throws {
    try ScratchFolder.with { scratch in
      for file in try page(SmallRun(in: scratch)).attachments where file.path.hasSuffix(".svg") {
        let parser = XMLParser(data: Data(file.bytes))
        #expect(parser.parse(), "\(file.path): \(String(describing: parser.parserError))")
        let text = String(decoding: file.bytes, as: UTF8.self)
        #expect(text.contains("5 samples") && text.contains("prefers-color-scheme"), "\(file.path)")
        #expect(!text.contains("href") && !text.contains("NaN"), "\(file.path)")
      }
    }
  }

  @Test("the page requests nothing from a network, and text from files is not markup")
  func html() throws {
    try ScratchFolder.with { scratch in
      let html = try page(SmallRun(in: scratch), pictures: true) { $0.title = "<i>Mine</i>" }.html
      #expect(!html.contains("http://") || !html.replacing("http://www.w3.org/2000/svg", with: "").contains("http://"))
      #expect(!html.contains("https://") && !html.contains("<link") && !html.contains("@import"))
      #expect(html.contains("<h1>&lt;i&gt;Mine&lt;/i&gt;</h1>"))
      #expect(html.contains("Say &lt;what&gt; &amp;") && !html.contains("<b>thing"))
      #expect(html.contains("cat &amp; dog"))
    }
  }

  @Test("the best head is named, marked first, and listed with the file's numbers")
  func bestHead() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let page = try page(run)
      #expect(page.summary[0].contains("1.2 (layer 1, head 2)"), "\(page.summary)")
      let top = try rows(page, "top-heads")
      #expect(top.count == 3 && top[1].prefix(3) == ["1", "1", "2"])
      let table = try HeadImpactFile.read(run.file).table
      let at = table.index(.matched, layer: 1, head: 2)
      #expect(Double(top[1][3]) == table.hi[at] && Double(top[1][7]) == table.chance[at])
      #expect(try rows(page, "hi-mass").count == 7)
    }
  }

  @Test("another measure ranks by that measure")
  func measure() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let page = try page(run) { $0.measure = .pointing }
      let best = Ranking(try HeadImpactFile.read(run.file).table, by: .pointing).heads[0]
      #expect(try rows(page, "top-heads")[1].prefix(3) == ["1", "\(best.layer)", "\(best.head)"])
      #expect(page.attachments.contains { $0.path == "figures/excess-pointing.svg" })
    }
  }

  @Test("categories have the mean of the best head over their samples, and names where the dataset is at hand")
  func categories() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let plain = try rows(page(run), "categories-matched").dropFirst()
      #expect(Set(plain.map { $0[1] }) == ["category 1", "category 2", "none"])
      let named = try rows(page(run, pictures: true), "categories-matched").dropFirst()
      #expect(Set(named.map { $0[1] }) == ["cat & dog", "bus", "none"])
      // Head 1.2 is right in samples 0 to 3, and wrong in the one without a category.
      #expect(named.map { Double($0[3]) } == [1, 1, 0])
    }
  }

  @Test(
    "samples' pictures come with the attention, on the file's grid or, where an older file has none, on one found again",
    arguments: [SmallRun.whole, []])
  func pictures(_ views: [ImageView]) throws {
    try ScratchFolder.with { scratch in
      let page = try page(SmallRun(in: scratch, views: views), pictures: true)
      let names = Set(page.attachments.map(\.path).filter { $0.hasPrefix("pictures/") })
      #expect(names == Set([10, 11, 20, 30, 40].flatMap { ["pictures/\($0).png", "pictures/\($0)-attention.png"] }))
      #expect(try rows(page, "lowest-samples")[1][0] == "40")
    }
  }

  @Test("a picture shown in tiles and as a whole has two pictures of attention: each token's colour on its view's part")
  func tiles() throws {
    try ScratchFolder.with { scratch in
      let (row, whole) = (ViewGrid(rows: 1, cols: 2), Cell(x0: 0, y0: 0, x1: 80, y1: 40))
      let views = [
        ImageView(kind: .tile, grid: row, box: Cell(x0: 0, y0: 0, x1: 40, y1: 40)),
        ImageView(kind: .tile, grid: row, box: Cell(x0: 40, y0: 0, x1: 80, y1: 40)),
        ImageView(kind: .wholeImage, grid: ViewGrid(rows: 1, cols: 4), box: whole),
      ]
      let page = try page(SmallRun(in: scratch, views: views), pictures: true)
      let files = page.attachments.filter { $0.path.hasPrefix("pictures/10") }
      #expect(
        Set(files.map(\.path))
          == ["pictures/10.png", "pictures/10-attention-tiles.png", "pictures/10-attention-global.png"])
      // The best head looks at the tokens over the first column, in both rows of four.
      let pictures = try files.filter { $0.path.contains("attention") }.map {
        try decodeImage($0.bytes, name: $0.path)
      }
      for picture in pictures {
        func brightness(_ column: Int) -> Int {
          let x = picture.width * (2 * column + 1) / 8
          let at = 3 * (picture.height / 2 * picture.width + x)
          return picture.pixels[at..<at + 3].reduce(0) { $0 + Int($1) }
        }
        #expect((1..<4).allSatisfy { brightness($0) < brightness(0) })
      }
    }
  }

  @Test("without saved scores there are pictures without attention")
  func noScores() throws {
    try ScratchFolder.with { scratch in
      let page = try page(SmallRun(in: scratch, savesScores: false), pictures: true)
      #expect(!page.attachments.contains { $0.path.hasSuffix("attention.png") })
      #expect(page.attachments.contains { $0.path == "pictures/10.png" })
    }
  }

  @Test("skipped samples are listed with their reasons")
  func skipped() throws {
    try ScratchFolder.with { scratch in
      let page = try page(SmallRun(in: scratch, skipped: [(7, "has <no> mask")]))
      #expect(try rows(page, "skipped") == [["sample", "reason"], ["7", "has <no> mask"]])
      #expect(page.summary[1].contains("1 sample could not be used"))
    }
  }

  @Test("another dataset, or missing pictures, are refused by name")
  func wrongSources() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let error = try #require(throws: ReportError.self) {
        var options = HeadImpactReport.Options(programVersion: "1")
        let other = scratch.file("other.json")
        try (Data(contentsOf: run.dataset) + Data(" ".utf8)).write(to: other)
        options.source = PictureSource(dataset: other, images: run.images)
        _ = try HeadImpactReport.page(of: run.file, options)
      }
      #expect(error.description.contains("other.json: isn't the dataset"))
      try FileManager.default.removeItem(at: run.images.appendingPathComponent("2.png"))
      #expect(throws: (any Error).self) { _ = try page(run, pictures: true) }
    }
  }

  @Test("a file that is cut off, a folder, and another program's file are refused by name")
  func wrongFiles() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      func message(_ url: URL) -> String {
        do {
          _ = try HeadImpactReport.page(of: url, HeadImpactReport.Options(programVersion: "1"))
          return "no error"
        } catch {
          return "\(error)"
        }
      }
      let whole = try Data(contentsOf: run.file)
      let cut = scratch.file("cut.h5")
      for share in [0.3, 0.9] {
        try whole.prefix(Int(Double(whole.count) * share)).write(to: cut)
        #expect(message(cut).contains("cut.h5"), "\(message(cut))")
      }
      let other = scratch.file("other.h5")
      try HDF5File.write(to: other.path) { file throws in try file.write([1.0], to: "x") }
      #expect(message(other).contains("other.h5"))
    }
  }
}

@Suite("The report's folder")
struct ReportFolderTests {
  private let page = Page(title: "T", kind: "K", summary: [], sections: [], footer: "")

  @Test("appears as a whole, and an existing report or an empty folder is replaced")
  func replaces() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("report")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try page.write(to: folder)
      var second = page
      second.title = "Second"
      try second.write(to: folder)
      #expect(
        String(decoding: try Data(contentsOf: folder.appendingPathComponent("index.html")), as: UTF8.self)
          .contains("<h1>Second</h1>"))
      #expect(try scratch.names == ["report"])
    }
  }

  @Test("other files stay unchanged, and are named", arguments: ["notes.txt", "index.html"])
  func refuses(name: String) throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("report")
      if name == "notes.txt" { try page.write(to: folder) }
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data("mine".utf8).write(to: folder.appendingPathComponent(name))
      #expect(throws: (any Error).self) { try page.write(to: folder) }
      #expect(try Data(contentsOf: folder.appendingPathComponent(name)) == Data("mine".utf8))
      #expect(try scratch.names == ["report"])
      let file = scratch.file("file")
      try Data().write(to: file)
      #expect(throws: (any Error).self) { try page.write(to: file) }
    }
  }
}
