import Figures

/// A report as a value: a title, a summary, and its sections.
public struct Page: Sendable {
  public var title: String
  /// What kind of thing this is, over the title.
  public var kind: String
  /// The main result in a few plain sentences, one a paragraph.
  public var summary: [String]
  public var sections: [Section]
  /// Under everything: what made the page.
  public var footer: String
  /// The command that made it, in the page's head, by which an older page is recognised.
  public var generator = Page.standardGenerator

  public static let standardGenerator = "headimpact report"

  public init(title: String, kind: String, summary: [String], sections: [Section], footer: String) {
    self.title = title
    self.kind = kind
    self.summary = summary
    self.sections = sections
    self.footer = footer
  }
}

/// A part of a page with a heading.
public struct Section: Sendable {
  /// Its anchor.
  public let id: String
  public let title: String
  public var blocks: [Block]

  public init(id: String, title: String, blocks: [Block]) {
    self.id = id
    self.title = title
    self.blocks = blocks
  }
}

/// What a section is made of.
public enum Block: Sendable {
  case paragraph(String)
  case figure(Figure)
  /// Small figures side by side, if they fit.
  case gallery([Figure])
  case table(Table)
  case pictures(Pictures)
  /// Preformatted text, line by line: a configuration.
  case code(String)
}

/// A table that the reader can sort, and its CSV file.
public struct Table: Sendable {
  /// The name of its file and its anchor.
  public let id: String
  public let caption: String
  public let data: DataTable
  /// Longer tables are cut here on the page, with a note.
  public let mostRows: Int

  public init(id: String, caption: String, data: DataTable, mostRows: Int = 200) {
    self.id = id
    self.caption = caption
    self.data = data
    self.mostRows = mostRows
  }
}

/// Images with captions, and the CSV file of their data.
public struct Pictures: Sendable {
  public struct Picture: Sendable {
    /// PNG files; names are without their folder.
    public let files: [File]
    /// The words under them, one a line.
    public let lines: [String]

    public struct File: Sendable {
      public let name: String
      public let bytes: [UInt8]
      public let width: Int
      public let height: Int
      /// Alternative text.
      public let description: String
      /// The same picture, larger.
      public let large: (name: String, bytes: [UInt8])?

      public init(
        name: String, bytes: [UInt8], width: Int, height: Int, description: String,
        large: (name: String, bytes: [UInt8])? = nil
      ) {
        (self.name, self.bytes, self.width, self.height) = (name, bytes, width, height)
        (self.description, self.large) = (description, large)
      }
    }
  }

  /// The name of its file and its anchor.
  public let id: String
  public let title: String
  public let caption: String
  public let pictures: [Picture]
  public let data: DataTable
}

extension Page {
  /// Every file of the report but the page: its path in the folder, and what is in it.
  var attachments: [(path: String, bytes: [UInt8])] {
    sections.flatMap(\.blocks).flatMap { block -> [(path: String, bytes: [UInt8])] in
      switch block {
      case .paragraph, .code: []
      case .figure(let figure): figure.attachments
      case .gallery(let figures): figures.flatMap(\.attachments)
      case .table(let table): [("data/\(table.id).csv", Array(table.data.csv.utf8))]
      case .pictures(let pictures):
        [("data/\(pictures.id).csv", Array(pictures.data.csv.utf8))]
          + pictures.pictures.flatMap(\.files).flatMap { file in
            ([(file.name, file.bytes)] + (file.large.map { [($0.name, $0.bytes)] } ?? [])).map {
              ("pictures/\($0)", $1)
            }
          }
      }
    }
  }
}

extension Figure {
  fileprivate var attachments: [(path: String, bytes: [UInt8])] {
    [("figures/\(id).svg", Array(svg.utf8)), ("data/\(id).csv", Array(data.csv.utf8))]
  }
}
