/// A finished scoring run, as far as a comparison needs to know it before any value is read.
public struct ComparedRun: Sendable, Equatable {
  public struct Sample: Sendable, Equatable {
    /// The annotation's id.
    public let id: Int
    public let imageID: Int

    public init(id: Int, imageID: Int) {
      self.id = id
      self.imageID = imageID
    }
  }

  /// What pages and tables call it; no two runs have one name.
  public let name: String
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  /// The digest of its dataset; nil if the file doesn't say.
  public let dataset: String?
  /// Those that have a value; ascending by id.
  public let samples: [Sample]
  /// What is known of the run, by name, as text.
  public let attributes: [(name: String, value: String)]

  public init(
    name: String, layers: Int, heads: Int, dataset: String?, samples: [Sample],
    attributes: [(name: String, value: String)] = []
  ) {
    self.name = name
    self.layers = layers
    self.heads = heads
    self.dataset = dataset
    self.samples = samples
    self.attributes = attributes
  }

  public static func == (a: ComparedRun, b: ComparedRun) -> Bool {
    (a.name, a.layers, a.heads, a.dataset, a.samples) == (b.name, b.layers, b.heads, b.dataset, b.samples)
      && a.attributes.elementsEqual(b.attributes, by: ==)
  }
}

/// Names that tell files apart: as many of their paths' last parts as that takes, without the ending of the file.
///
/// `a/hi.h5` and `b/hi.h5` are `a/hi` and `b/hi`; `text.h5` and `question.h5` are `text` and `question`.
/// - Throws: `ComparisonError` if a path comes twice.
public func distinctNames(_ paths: [String]) throws -> [String] {
  let parts = paths.map { path -> [Substring] in
    var parts = path.split(separator: "/")
    if let last = parts.last, let dot = last.lastIndex(of: "."), dot > last.startIndex {
      parts[parts.count - 1] = last[..<dot]
    }
    return parts
  }
  for index in paths.indices {
    if let other = paths[..<index].firstIndex(where: { $0.utf8.elementsEqual(paths[index].utf8) }) {
      throw ComparisonError("\(paths[other]) is named twice; a comparison needs different files")
    }
  }
  let deepest = parts.map(\.count).max() ?? 0
  for count in 1...max(1, deepest) {
    let names = parts.map { $0.suffix(count).joined(separator: "/") }
    if Set(names).count == names.count { return names }
  }
  // They differ in nothing but their endings.
  return paths
}
