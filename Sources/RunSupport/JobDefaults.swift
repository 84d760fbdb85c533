import Foundation

/// The defaults of every job.
public enum JobDefaults {
  public static let programVersion = "0.7.0"
  /// The prompt of docs/measures.md.
  public static let prompt = "Describe the main object in the image."

  /// The cores available to this process, divided by the node's ranks.
  public static func threads(localRanks: Int) -> Int {
    max(1, ProcessShare.current.cores / max(1, localRanks))
  }
}
