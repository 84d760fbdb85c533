import COCO
import Foundation
import IO
import MessagePassing
import RunSupport

/// A dataset of images and texts, which rank 0 read, and the digests of its files, which all ranks know.
public struct SharedTexts: Sendable {
  /// On rank 0; nil elsewhere.
  public let dataset: ImageTextDataset?
  /// The same file's annotations with their outlines, if they were asked for. On rank 0; nil elsewhere.
  public let objects: KeyObjectDataset?
  /// For a run's identity: the SHA-256 of each file, "none" for one that wasn't named.
  public let digests: [(name: String, value: String)]

  /// - Parameters:
  ///   - names: of the digests.
  ///   - digests: one for each name.
  fileprivate init(_ dataset: ImageTextDataset?, _ objects: KeyObjectDataset?, names: [String], digests: [String]) {
    (self.dataset, self.objects) = (dataset, objects)
    self.digests = zip(names, digests).map { (name: "\($0) (SHA-256)", value: $1) }
  }
}

extension Communicator {
  /// Reads a dataset of images and texts on rank 0. Every rank calls it at the same time.
  ///
  /// - Parameters:
  ///   - url: nil if there is none: then only the digests say so.
  ///   - annotations: the answers of a VQA v2 question file.
  ///   - images: the folder that a question file's pictures are looked up in.
  ///   - withObjects: reads the outlines too.
  ///   - system: what the model is told before the user's turn: conversations that tell it something else are refused.
  ///   - names: of the file and of its annotations, in the identity.
  /// - Throws: on every rank, if rank 0 can't read a file, or it can't be used.
  public func readTexts(
    _ url: URL?, annotations: URL? = nil, images: URL, withObjects: Bool = false, system: String?,
    names: [String] = ["dataset", "annotations"]
  ) throws -> SharedTexts {
    let read = try agree { () -> (ImageTextDataset, KeyObjectDataset?, digests: [String])? in
      guard rank == 0, let url else { return nil }
      let json = try JobInputs.read(url)
      let answers = try annotations.map { (json: try JobInputs.read($0), name: $0.path) }
      let dataset = try ImageTextDataset(json: json, name: url.path, annotations: answers) {
        try FileSystem.names(in: images)
      }
      if let told = dataset.system, told != system {
        throw JobError(
          "\(url.path): its conversations begin with a system's turn, \(told.debugDescription); give the same text by --system"
        )
      }
      return (
        dataset, withObjects ? try KeyObjectDataset(json: json, name: url.path) : nil,
        [try JobInputs.digest(json), try JobInputs.digest(answers?.json)]
      )
    }
    let digests = try share((read?.digests ?? ["none", "none"]).joined(separator: " "))
    return SharedTexts(
      read?.0, read?.1, names: names, digests: digests.split(separator: " ").map(String.init))
  }

  /// Rank 0's examples, for all ranks.
  ///
  /// - Parameter dataset: on rank 0 the dataset; elsewhere ignored.
  /// - Returns: on rank 0 what it was given; elsewhere the same examples, without the problems of their file.
  public func share(_ dataset: ImageTextDataset?) throws -> ImageTextDataset {
    let bytes = try broadcast(rank == 0 ? dataset?.encode() ?? [] : nil)
    return try agree { try dataset ?? ImageTextDataset(decoding: bytes) }
  }
}
