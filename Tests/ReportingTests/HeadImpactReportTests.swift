import Foundation
import FoundationXML
import HDF5Store
import HeadImpact
import IO
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
        "corrected-matched", "hi-matched", "measure-maps", "agreement-heads", "reliability-matched",
        "reliability-chosen-matched",
      ]
      let tables = ["top-heads", "layer-table", "measures-table", "samples-table", "provenance-table"]
      #expect(
        paths.filter { !$0.hasPrefix("pictures/") }
          == Set(
            figures.map { "figures/\($0).svg" }
              + (figures + tables + ["highest-samples", "lowest-samples"]).map { "data/\($0).csv" }))
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
      #expect(page.title == "Head Impact of tiny on keyobjects.json, n\u{a0}=\u{a0}5", "\(page.title)")
      // Four images can't show it: of their 16 sign flips at least 2 are as extreme.
      #expect(page.summary[0].hasPrefix("None of 6 heads looks at the object"), "\(page.summary)")
      #expect(page.summary[0].contains("The highest, 1.2, has corrected HI"), "\(page.summary)")
      let top = try rows(page, "top-heads")
      #expect(top.count == 3 && top[1].prefix(3) == ["1", "1", "2"])
      let table = try HeadImpactFile.read(run.file).table
      let at = table.index(.matched, layer: 1, head: 2)
      let corrected = try #require(table.corrected)
      #expect(Double(top[1][3]) == corrected.hi[at] && Double(top[1][7]) == table.hi[at])
      #expect(Double(top[1][6]) == 1)
      #expect(try rows(page, "measure-maps").count == 7)
    }
  }

  @Test("another measure ranks by that measure")
  func measure() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let page = try page(run) { $0.measure = .pointing }
      let best = try Ranking(HeadImpactFile.read(run.file).table, by: RankedMeasure(.pointing, isCorrected: true))
        .heads[0]
      #expect(try rows(page, "top-heads")[1].prefix(3) == ["1", "\(best.layer)", "\(best.head)"])
      #expect(page.attachments.contains { $0.path == "figures/corrected-pointing.svg" })
    }
  }

  @Test("the samples have their categories' names and their values, and rare categories have no figure")
  func samples() throws {
    try ScratchFolder.with { scratch in
      let page = try page(SmallRun(in: scratch))
      let samples = try rows(page, "samples-table")
      #expect(
        samples[0] == [
          "sample", "category", "description", "visual_tokens", "mask_tokens", "hi", "chance", "hi_corrected",
        ])
      #expect(Set(samples.dropFirst().map { $0[1] }) == ["cat & dog", "bus", "none"])
      // Head 1.2 is right in samples 0 to 3, and wrong in the last.
      #expect(samples.dropFirst().map { Double($0[5]) } == [1, 1, 1, 1, 0])
      #expect(samples.dropFirst().map { Double($0[7]) }.prefix(4) == [1, 1, 1, 1])
      #expect(!page.html.contains("id=\"categories"))
    }
  }

  @Test("a file alone shows its samples: the object's tokens under the attention, on a blank of the picture's size")
  func bareFile() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      try FileManager.default.removeItem(at: run.images)
      try FileManager.default.removeItem(at: run.dataset)
      let files = try page(run).attachments.filter { $0.path.hasPrefix("pictures/") }
      #expect(Set(files.map(\.path)) == Set([10, 11, 20, 30, 40].map { "pictures/\($0)-attention.png" }))
      let picture = try decodeImage(files[0].bytes, name: files[0].path)
      #expect((picture.width, picture.height) == (360, 180))
    }
  }

  @Test("with the photographs but no dataset, the object's tokens are outlined")
  func imagesAlone() throws {
    try ScratchFolder.with { scratch in
      let run = try SmallRun(in: scratch)
      let page = try page(run) { $0.source = PictureSource(dataset: nil, images: run.images) }
      #expect(page.html.contains("The object’s visual tokens are outlined."))
      #expect(page.html.contains("<a href=\"pictures/10-large.png\">"))
    }
  }

  @Test(
    "samples' pictures come with the attention, on the file's grid or, where an older file has none, on one found again",
    arguments: [SmallRun.whole, []])
  func pictures(_ views: [ImageView]) throws {
    try ScratchFolder.with { scratch in
      let page = try page(SmallRun(in: scratch, views: views), pictures: true)
      let names = Set(page.attachments.map(\.path).filter { $0.hasPrefix("pictures/") })
      let kinds = ["", "-large", "-attention", "-attention-large"]
      #expect(names == Set([10, 11, 20, 30, 40].flatMap { id in kinds.map { "pictures/\(id)\($0).png" } }))
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
      let files = page.attachments.filter { $0.path.hasPrefix("pictures/10") && !$0.path.contains("large") }
      #expect(
        Set(files.map(\.path))
          == ["pictures/10.png", "pictures/10-attention-tiles.png", "pictures/10-attention-global.png"])
      // The best head looks at the tokens over the first column, in both rows of four.
      let pictures = try files.filter { $0.path.contains("attention") }.map {
        try decodeImage($0.bytes, name: $0.path)
      }
      for picture in pictures {
        func warmth(_ column: Int) -> Int {
          let x = picture.width * (2 * column + 1) / 8
          let at = 3 * (picture.height / 2 * picture.width + x)
          // The veil is warm: it takes the blue away.
          return Int(picture.pixels[at]) - Int(picture.pixels[at + 2])
        }
        #expect((1..<4).allSatisfy { warmth($0) < warmth(0) })
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

  @Test("appears as a whole; an empty folder is replaced, an existing report only when asked")
  func replaces() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("report")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try page.write(to: folder)
      var second = page
      second.title = "Second"
      let error = try #require(throws: FolderError.self) { try second.write(to: folder) }
      #expect(error.description.contains("report: already exists") && error.description.contains("--overwrite"))
      try second.write(to: folder, overwrites: true)
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
      #expect(throws: (any Error).self) { try page.write(to: folder, overwrites: true) }
      #expect(try Data(contentsOf: folder.appendingPathComponent(name)) == Data("mine".utf8))
      #expect(try scratch.names == ["report"])
      let file = scratch.file("file")
      try Data().write(to: file)
      #expect(throws: (any Error).self) { try page.write(to: file, overwrites: true) }
    }
  }
}
