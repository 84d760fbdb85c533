import Foundation
import IO

/// What can't be reported: what, where, and what would be right.
public struct ReportError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

extension Page {
  private static let names: Set<String> = ["index.html", "figures", "data", "pictures"]

  /// Writes the report: `index.html`, `figures/*.svg`, `data/*.csv` and `pictures/*.png`. The folder appears as a whole
  /// or not at all; an existing one is replaced if it is empty or contains nothing but a report.
  ///
  /// - Throws: `FolderError` naming the folder, which is untouched then.
  public func write(to folder: URL) throws {
    let files = attachments
    precondition(Set(files.map(\.path)).count == files.count, "two parts of the report have one name")
    try WholeFolder.write(to: folder, what: "the report", refusal: { old, _ in try Self.refusal(old) }) { aside in
      for name in Set(files.map { $0.path.prefix { $0 != "/" } }) {
        try FileSystem.makeFolder(aside.appendingPathComponent(String(name)))
      }
      for (path, bytes) in files { try WholeFolder.write(bytes, to: aside.appendingPathComponent(path)) }
      try WholeFolder.write(Data(html.utf8), to: aside.appendingPathComponent("index.html"))
    }
  }

  /// Why an existing folder isn't replaced.
  private static func refusal(_ folder: URL) throws -> String? {
    let found = Set(try FileSystem.names(in: folder))
    if found.isEmpty { return nil }
    let advice = "choose another --output, or clear it"
    let page = folder.appendingPathComponent("index.html")
    let foreign = found.subtracting(names).sorted()
    guard foreign.isEmpty else {
      return
        "the folder holds files that are not part of a report (\(foreign.prefix(5).joined(separator: ", "))); \(advice)"
    }
    guard found.contains("index.html"),
      String(decoding: try InputFile.read(page, upTo: 2000), as: UTF8.self)
        .contains("name=\"generator\" content=\"\(generator)")
    else { return "the folder holds a page that isn't one of this program's reports; \(advice)" }
    return nil
  }
}
