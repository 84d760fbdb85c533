/// An image that a model can be shown.
public protocol ImageForModel: Sendable {
  var prepared: PreparedImage { get }
}

/// An image, and what the model's image processor makes of it, where that is done already: on another thread, while the
/// model was at work on something else.
public struct PreparedImage: ImageForModel {
  public let image: RGBImage
  /// What the processor gave, or threw; nil if it wasn't asked yet.
  public let patches: Result<PatchBatch, any Error>?

  public init(_ image: RGBImage, patches: Result<PatchBatch, any Error>? = nil) {
    (self.image, self.patches) = (image, patches)
  }

  public var prepared: PreparedImage { self }
}

extension RGBImage: ImageForModel {
  public var prepared: PreparedImage { PreparedImage(self) }
}

/// The patches of an image's views, as a vision tower takes them.
public struct PatchBatch: Sendable, Equatable {
  /// - Shape: [patches, channels · frames · patch · patch], row-major.
  public let pixelValues: [Float]
  /// How many patches each view has down and across.
  public let grids: [PatchGrid]

  public init(pixelValues: [Float], grids: [PatchGrid]) { (self.pixelValues, self.grids) = (pixelValues, grids) }
}

/// Patches of a view, down and across.
public struct PatchGrid: Sendable, Equatable {
  public let rows: Int
  public let columns: Int

  public init(rows: Int, columns: Int) { (self.rows, self.columns) = (rows, columns) }

  public var count: Int { rows * columns }
}
