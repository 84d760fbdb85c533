import COCO
import Foundation
import MessagePassing
import RunSupport

/// The files of a dataset of images and texts, as rank 0 read them for all ranks.
public struct TextDatasetFiles: Sendable {
  public let url: URL
  public let json: [UInt8]
  /// The answers of a VQA v2 question file; nil if none was named.
  public let annotations: (json: [UInt8], name: String)?
  /// The contents of the folder of images. An image that one rank doesn't see must not change its list of samples.
  public let imageNames: [String]

  /// - Throws: `COCOError` naming the file and the place.
  public func dataset() throws -> ImageTextDataset {
    try ImageTextDataset(json: json, name: url.path, annotations: annotations) { imageNames }
  }

  /// For a run's identity: the SHA-256 of each file.
  public func digests() throws -> [(name: String, value: String)] {
    try Self.digests(of: self, "dataset", "annotations")
  }

  /// The same for optional files.
  ///
  /// - Parameters:
  ///   - name: of the dataset in the identity; `annotations`: of its answers.
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
  /// - Throws: on every rank, if rank 0 can't read one.
  public func readTexts(
    _ dataset: URL, annotations: URL? = nil, images: URL, imageNames: [String]? = nil
  ) throws -> TextDatasetFiles {
    TextDatasetFiles(
      url: dataset, json: try readForAll(dataset),
      annotations: try annotations.map { (try readForAll($0), $0.path) },
      imageNames: try imageNames ?? listForAll(images))
  }
}
