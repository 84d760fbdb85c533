import COCO
import Foundation
import MessagePassing
import RunSupport

/// The files of a dataset of images and texts, as rank 0 read them for all ranks.
public struct TextDatasetFiles: Sendable {
  public let url: URL
  public let json: [UInt8]
  /// The answers of a VQA v2 question file; nil where none was named.
  public let annotations: (json: [UInt8], name: String)?
  /// What the folder of images holds. A picture that one rank doesn't see must not make its list of samples another.
  public let imageNames: [String]

  /// - Throws: `COCOError` naming the file and the place.
  public func dataset() throws -> ImageTextDataset {
    try ImageTextDataset(json: json, name: url.path, annotations: annotations) { imageNames }
  }

  /// For a run's identity: the SHA-256 of each file.
  public func digests() throws -> [(name: String, value: String)] {
    try Self.digests(of: self, "dataset", "annotations")
  }

  /// The same of files that need not be there.
  ///
  /// - Parameters:
  ///   - name: what the dataset is called; `annotations` what its answers are.
  public static func digests(
    of files: TextDatasetFiles?, _ name: String, _ annotations: String
  ) throws -> [(name: String, value: String)] {
    [
      ("\(name) (SHA-256)", try JobInputs.digest(files?.json)),
      ("\(annotations) (SHA-256)", try JobInputs.digest(files?.annotations?.json)),
    ]
  }
}

extension Communicator {
  /// Reads the files of a dataset on rank 0, for all.
  ///
  /// - Parameter imageNames: of the folder, where it was listed already.
  /// - Throws: on every rank, where rank 0 can't read one.
  public func readTexts(
    _ dataset: URL, annotations: URL? = nil, images: URL, imageNames: [String]? = nil
  ) throws -> TextDatasetFiles {
    TextDatasetFiles(
      url: dataset, json: try readForAll(dataset),
      annotations: try annotations.map { (try readForAll($0), $0.path) },
      imageNames: try imageNames ?? listForAll(images))
  }
}
