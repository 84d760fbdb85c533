import Foundation
import IO

/// Which folders a folder with a page may take the place of: with `--overwrite`, one that the same command made.
public struct PageFolder: Sendable {
  /// What the page says of itself (`<meta name="generator">`): "headimpact report".
  public let generator: String
  /// Whether a file or a folder of this name may be in it, beside `index.html`.
  private let owns: @Sendable (String) -> Bool

  public init(generator: String, owns: @escaping @Sendable (_ name: String) -> Bool) {
    (self.generator, self.owns) = (generator, owns)
  }

  /// Why what lies under the output's name isn't replaced; nil if nothing does, an empty folder, or one that may be.
  ///
  /// - Parameter option: which names the folder.
  /// - Throws: `EnvironmentFault` if it can't be read.
  public func refusal(of folder: URL, overwrites: Bool, option: String = "--output") throws -> String? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder) else { return nil }
    guard isFolder.boolValue else { return "is a file, and a folder is needed; choose another \(option)" }
    let names = try FileSystem.names(in: folder)
    if names.isEmpty { return nil }
    guard overwrites else { return "already exists; choose another \(option), or let it be replaced by --overwrite" }
    let foreign = names.filter { $0 != "index.html" && !owns($0) }.sorted()
    guard foreign.isEmpty else {
      let some = foreign.prefix(5).joined(separator: ", ")
      return
        "holds files that `\(generator)` doesn't write (\(some)), so --overwrite doesn't replace it; choose another \(option)"
    }
    guard names.contains("index.html"),
      String(decoding: try InputFile.read(folder.appendingPathComponent("index.html"), upTo: 2000), as: UTF8.self)
        .contains("name=\"generator\" content=\"\(generator)")
    else { return "holds no page of `\(generator)`, so --overwrite doesn't replace it; choose another \(option)" }
    return nil
  }
}
