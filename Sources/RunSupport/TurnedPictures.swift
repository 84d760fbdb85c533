import IO
import ImageInput
import Synchronization

/// Counts the pictures that were turned upright according to their EXIF orientation, from any thread.
///
/// Outlines drawn on the stored pixels are then in the wrong place, and if the sides are not exchanged nothing else
/// shows it.
public final class TurnedPictures: Sendable {
  private let state = Mutex(0)

  public init() {}

  /// How many were turned.
  public var count: Int { state.withLock { $0 } }

  /// Counts a picture, if its EXIF orientation turned it.
  public func note(_ header: PictureHeader) {
    if header.orientation != .upright { state.withLock { $0 += 1 } }
  }

  /// The warning for this number of pictures; nil for 0.
  public static func warning(count: Int) -> String? {
    if count == 0 { return nil }
    return
      "\(counted(count, "picture")) \(agreeing(with: count, "has", "have")) an EXIF orientation other than 1 and \(agreeing(with: count, "was", "were")) turned upright, as transformers "
      + "does; outlines must match the upright picture"
  }
}
