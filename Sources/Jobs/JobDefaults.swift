import Foundation

/// What every job takes where nothing else is said.
public enum JobDefaults {
  public static let programVersion = "0.2.0"
  /// The prompt of head-impact.md.
  public static let prompt = "Describe the main object in the image."

  /// The node's cores over its ranks.
  public static func threads(localRanks: Int) -> Int {
    max(1, ProcessInfo.processInfo.activeProcessorCount / max(1, localRanks))
  }
}
