import Foundation
import ImageInput

/// What a user may choose of how a model is shown images and texts.
public struct InputOptions: Sendable, Equatable {
  /// A file whose chat template takes the place of the model folder's own.
  public var chatTemplate: URL?
  /// The text of a system's turn before the user's; nil for no such turn.
  public var system: String?
  /// Whose resize an image goes through.
  public var resizing = Resizing.torchvision

  public init(chatTemplate: URL? = nil, system: String? = nil, resizing: Resizing = .torchvision) {
    self.chatTemplate = chatTemplate
    self.system = system
    self.resizing = resizing
  }

  /// What of it a run's identity holds beside the digests of `ModelFiles`.
  public var parts: [(name: String, value: String)] {
    [("--resize", resizing.rawValue)] + (system.map { [("--system", $0)] } ?? [])
  }
}
