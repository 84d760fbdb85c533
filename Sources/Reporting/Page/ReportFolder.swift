import Figures
import Foundation
import IO

/// What can't be reported: what, where, and what would be right.
public struct ReportError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

extension Page {
  /// Why a folder can't become a page of this program; nil if it can. A job asks before it begins, too.
  ///
  /// - Parameters:
  ///   - generator: what the page says of itself.
  ///   - overwrites: whether such a page is replaced.
  /// - Throws: `EnvironmentFault` if the folder can't be read.
  public static func refusal(
    of folder: URL, generator: String = Page.standardGenerator, overwrites: Bool
  ) throws -> String? {
    let names: Set = ["figures", "data", "pictures"]
    return try PageFolder(generator: generator) { names.contains($0) }.refusal(of: folder, overwrites: overwrites)
  }

  /// Writes the page: `index.html`, `figures/*.svg`, `data/*.csv` and `pictures/*.png`. The folder appears as a whole or
  /// not at all.
  ///
  /// - Parameter overwrites: whether a page that this program wrote before is replaced; an empty folder always is.
  /// - Throws: `FolderError` naming the folder, which is untouched then.
  public func write(to folder: URL, overwrites: Bool = false) throws {
    let files = attachments
    precondition(Set(files.map(\.path)).count == files.count, "two parts of the report have one name")
    let refusal = { (old: URL, _: URL) in
      try Self.refusal(of: old, generator: generator, overwrites: overwrites)
    }
    try WholeFolder.write(to: folder, what: "the report", refusal: refusal) { aside in
      for name in Set(files.map { $0.path.prefix { $0 != "/" } }) {
        try FileSystem.makeFolder(aside.appendingPathComponent(String(name)))
      }
      for (path, bytes) in files { try WholeFolder.write(bytes, to: aside.appendingPathComponent(path)) }
      try WholeFolder.write(Data(html.utf8), to: aside.appendingPathComponent("index.html"))
    }
  }
}
