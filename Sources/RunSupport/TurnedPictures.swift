import ImageInput
import Synchronization

/// Counts the pictures that were turned upright as their files' orientation says, from any thread.
///
/// Outlines that were drawn on the stored pixels lie elsewhere then, and where the sides are not exchanged nothing else
/// shows it.
public final class TurnedPictures: Sendable {
  private let state = Mutex(0)

  public init() {}

  public var count: Int { state.withLock { $0 } }

  public func note(_ header: PictureHeader) {
    if header.orientation != .upright { state.withLock { $0 += 1 } }
  }

  /// What is to be said of so many; nil where there are none.
  public static func warning(count: Int) -> String? {
    if count == 0 { return nil }
    let pictures = count == 1 ? "1 picture has" : "\(count) pictures have"
    return
      "\(pictures) an EXIF orientation other than 1 and \(count == 1 ? "was" : "were") turned upright, as transformers "
      + "does; outlines must match the upright picture"
  }
}
