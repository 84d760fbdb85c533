import COCO
import Foundation
import MessagePassing
import Safetensors

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
  ///
  /// - Parameter name: of the dataset; that of its answers is behind it.
  public func digests(_ name: String = "dataset", _ annotationsName: String = "annotations") throws -> [(
    name: String, value: String
  )] {
    [
      ("\(name) (SHA-256)", try JobInputs.digest(json)),
      ("\(annotationsName) (SHA-256)", try JobInputs.digest(annotations?.json)),
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
