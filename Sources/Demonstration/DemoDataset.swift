import Foundation
import IO

/// A number of the demonstration's scenes as a dataset in COCO's form.
///
/// The folder: `images/*.png`, `keyobjects.json` (the key-object dataset), `captions.json` (COCO captions), and
/// `questions.json` with `annotations.json` (VQA v2). The same split and count give the same bytes.
public struct DemoDataset: Sendable {
  /// Which scenes. No split shares one with another, or with those that the model was trained on.
  public enum Split: String, CaseIterable, Sendable {
    /// For training adapters.
    case train
    /// Held out.
    case test

    /// The seed of the split's first scene; the model was trained on seeds from 0 on.
    public var firstSeed: UInt64 {
      switch self {
      case .train: 1 << 40
      case .test: 1 << 41
      }
    }

    /// The split's first image id: the splits have disjoint ids, so that their files can be combined.
    var firstID: Int {
      switch self {
      case .train: 1_000_001
      case .test: 1
      }
    }
  }

  /// The largest number of scenes of a split, limited by its image ids.
  public static let mostScenes = 1_000_000

  public let split: Split
  /// How many scenes.
  public let count: Int
  public let wording: SceneWording

  /// - Throws: `DemonstrationError` if `count` is not 1 to `mostScenes`.
  public init(split: Split = .test, count: Int = 64, wording: SceneWording = .taught) throws {
    guard (1...Self.mostScenes).contains(count) else {
      throw DemonstrationError("a demonstration dataset has 1 to \(Self.mostScenes) scenes, not \(count)")
    }
    self.split = split
    self.count = count
    self.wording = wording
  }

  /// The seeds of its scenes.
  public var seeds: Range<UInt64> {
    split.firstSeed..<(split.firstSeed + UInt64(count))
  }

  /// Writes the dataset to a folder that does not exist yet or is empty.
  ///
  /// - Parameters:
  ///   - overwrites: whether one that this wrote before is replaced.
  ///   - encodePNG: a PNG file of a picture: width, height, and pixels of [height, width, 3].
  /// - Throws: `FolderError`, or what `encodePNG` throws; the folder is then as it was.
  public func write(
    to folder: URL, overwrites: Bool = false, encodePNG: (Int, Int, [UInt8]) throws -> [UInt8]
  ) throws {
    try DemoFolder.write(to: folder, overwrites: overwrites) { fresh in
      let images = fresh.appendingPathComponent("images", isDirectory: true)
      try FileSystem.makeFolder(images)
      var files = DemoDatasetFiles(split: split, wording: wording)
      for (index, seed) in seeds.enumerated() {
        let scene = Scene(seed: seed)
        let picture = scene.draw()
        let image = files.add(scene, picture, id: split.firstID + index)
        let png = try encodePNG(Scene.side, Scene.side, picture.pixels)
        try WholeFolder.write(png, to: images.appendingPathComponent(image.file_name))
      }
      try files.write(to: fresh)
    }
  }
}
