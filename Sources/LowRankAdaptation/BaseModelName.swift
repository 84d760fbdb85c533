import Foundation
import IO
import JSON
import Safetensors

/// How an adapter names its base model, so that whoever loads it finds that model.
public struct BaseModelName: Sendable, Equatable {
  /// The id on the Hugging Face Hub where the folder tells it, else the folder's absolute path.
  public let name: String
  /// The commit, of a folder of the Hub's cache.
  public let revision: String?
  /// Whether `name` is an id on the Hub.
  public let isOnHub: Bool
  /// Everything that the model may be called.
  private let known: Set<String>

  /// A folder of the Hub's cache (`models--ORG--NAME/snapshots/COMMIT`) has the id in its path; another may have it in
  /// config.json, as `_name_or_path`.
  public init(folder: URL) {
    let absolute = folder.standardizedFileURL
    let resolved = absolute.resolvingSymlinksInPath()
    let stated = Self.stated(in: folder)
    let cached = [absolute, resolved].lazy.compactMap(HubSnapshot.init).first
    revision = cached?.revision
    let id = (cached?.id ?? stated.flatMap(HubID.init))?.description
    isOnHub = id != nil
    name = id ?? absolute.path
    // People name the folder above too, as in NAME/main.
    let above = absolute.deletingLastPathComponent().lastPathComponent
    known = Set([id, stated, absolute.path, resolved.path, above].compactMap { $0 }.flatMap(Self.forms))
  }

  /// Whether the name that an adapter has for its base may mean this model: the same id or path, or their last parts, or the
  /// folder that this model's is in.
  public func isMeant(by other: String) -> Bool { !known.isDisjoint(with: Self.forms(other)) }

  /// A name, and its last part.
  private static func forms(_ name: String) -> [String] {
    let name = name.lowercased()
    return [name, name.split(separator: "/").last.map(String.init) ?? name]
  }

  /// config.json's `_name_or_path`. The model has been read: where its file can't be, nothing is known.
  private static func stated(in folder: URL) -> String? {
    do {
      let bytes = try InputFile.read(folder.appendingPathComponent("config.json"), upTo: 16 << 20)
      return try JSONValue.read(bytes)["_name_or_path"]?.string
    } catch { return nil }
  }
}

extension PEFTAdapter {
  /// What a user should know who runs an adapter on a model: that it names another base.
  public static func remarks(onBaseOf folder: URL, model: URL) -> [String] {
    let base = BaseModelName(folder: model)
    let named: String?
    // Whoever loads the adapter says what is wrong with its file.
    do { named = try PEFTConfiguration(folder: folder).baseModel } catch { named = nil }
    guard let named, !named.isEmpty, !base.isMeant(by: named) else { return [] }
    return [
      "\(folder.path): the adapter names another base model, \(printable(named)), than \(base.name): on a model that it "
        + "wasn't trained on, it means nothing"
    ]
  }
}
