import Foundation

/// The name of a model on the Hugging Face Hub: ORG/NAME.
public struct HubID: Sendable, Equatable, CustomStringConvertible {
  public let organization: String
  public let name: String

  public var description: String { "\(organization)/\(name)" }

  /// - Returns: nil for a text that the Hub doesn't allow as the name of a model.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, parts.allSatisfy(Self.isPart) else { return nil }
    (organization, name) = (parts[0], parts[1])
  }

  private static func isPart(_ part: String) -> Bool {
    guard let first = part.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-") else { return false }
    return part.utf8.allSatisfy { byte in
      let letter = Character(UnicodeScalar(byte))
      return letter.isASCII && (letter.isLetter || letter.isNumber || "-_.".contains(letter))
    }
  }
}

/// A commit of a model in the Hub's cache.
public struct HubSnapshot: Sendable, Equatable {
  public let id: HubID
  public let revision: String

  /// - Parameter folder: `…/models--ORG--NAME/snapshots/COMMIT`.
  /// - Returns: nil for any other folder.
  public init?(folder: URL) {
    let parts = folder.standardizedFileURL.pathComponents
    let prefix = "models--"
    guard parts.count >= 3, parts[parts.count - 2] == "snapshots", parts[parts.count - 3].hasPrefix(prefix),
      let id = HubID(String(parts[parts.count - 3].dropFirst(prefix.count)).replacing("--", with: "/"))
    else { return nil }
    (self.id, revision) = (id, parts[parts.count - 1])
  }
}

/// What a user gave as a model that is neither a folder nor in the Hub's cache.
public struct UnknownModel: Error, CustomStringConvertible {
  public let description: String
}

/// The Hugging Face Hub's cache on this machine, as huggingface_hub 1.0 and older versions lay it out. Nothing is downloaded.
public struct HubCache: Sendable {
  public let folder: URL

  public init(folder: URL) { self.folder = folder }

  /// The cache that huggingface_hub would take: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else `hub` in HF_HOME, else
  /// in `huggingface` in XDG_CACHE_HOME, else in ~/.cache.
  public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    let home = environment["HOME"] ?? NSHomeDirectory()
    func path(_ name: String) -> URL? {
      guard let value = environment[name], !value.isEmpty else { return nil }
      let isHome = value == "~" || value.hasPrefix("~/")
      return URL(fileURLWithPath: isHome ? home + value.dropFirst() : value, isDirectory: true)
    }
    let cache = path("XDG_CACHE_HOME") ?? URL(fileURLWithPath: home).appendingPathComponent(".cache")
    let huggingFace = path("HF_HOME") ?? cache.appendingPathComponent("huggingface")
    folder =
      path("HF_HUB_CACHE") ?? path("HUGGINGFACE_HUB_CACHE") ?? huggingFace.appendingPathComponent("hub")
  }

  /// The folder of what a user gave as a model: a folder, or else ORG/NAME in the cache.
  ///
  /// - Parameter text: as it was given. A path that isn't ORG/NAME is a folder, whether there is one or not.
  /// - Throws: `UnknownModel`, which says how to download the model.
  public func model(_ text: String) throws -> URL {
    let path = fileURL(text)
    guard access(path.path, F_OK) != 0, let id = HubID(text) else { return path }
    return try snapshot(of: id)
  }

  /// The files of a model's branch `main`, as they were when it was downloaded last.
  ///
  /// - Throws: `UnknownModel`, which says how to download the model.
  public func snapshot(of id: HubID) throws -> URL {
    let model = folder.appendingPathComponent("models--\(id.organization)--\(id.name)", isDirectory: true)
    let command = "hf download \(id)"
    guard access(model.path, F_OK) == 0 else {
      throw UnknownModel(
        description: "\(id): there is no such folder, and no such model in the Hugging Face cache \(folder.path); "
          + "download it: \(command)")
    }
    let snapshots = model.appendingPathComponent("snapshots", isDirectory: true)
    if let revision = Self.text(model.appendingPathComponent("refs/main")) {
      let main = snapshots.appendingPathComponent(revision, isDirectory: true)
      if access(main.path, F_OK) == 0 { return main }
    }
    let others = FolderHint.names(in: snapshots)
    let there =
      others.isEmpty
      ? ""
      : "; other revisions are there, and can be given as folders: "
        + others.map { snapshots.appendingPathComponent($0).path }.joined(separator: ", ")
    throw UnknownModel(
      description: "\(id): the Hugging Face cache \(folder.path) has no snapshot of its main branch; download it: "
        + command + there)
  }

  /// A name of a commit; nil if the file isn't there or holds something else.
  private static func text(_ file: URL) -> String? {
    do {
      let text = String(decoding: try InputFile.read(file, upTo: 1 << 10), as: UTF8.self)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      return text.isEmpty || text.contains("/") || text.hasPrefix(".") ? nil : text
    } catch { return nil }
  }
}

/// What a model's folder is called: in the Hub's cache the model's name, elsewhere the folder's own.
public func modelName(ofFolder folder: URL) -> String {
  let folder = folder.standardizedFileURL
  return HubSnapshot(folder: folder)?.id.name ?? folder.lastPathComponent
}
