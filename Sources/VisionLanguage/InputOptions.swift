import Foundation
import ImageInput

/// What a user may choose of how a model is shown images and texts.
public struct InputOptions: Sendable, Equatable {
  /// A file whose chat template takes the place of the model folder's own.
  public var chatTemplate: URL?
  /// Whose resize an image goes through.
  public var resizing = Resizing.torchvision

  public init(chatTemplate: URL? = nil, resizing: Resizing = .torchvision) {
    self.chatTemplate = chatTemplate
    self.resizing = resizing
  }

  /// What of it a run's identity holds beside the digests of `ModelFiles`.
  public var parts: [(name: String, value: String)] { [("--resize", resizing.rawValue)] }
}
