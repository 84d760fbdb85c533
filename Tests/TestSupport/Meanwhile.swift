import Foundation

/// Something that happens to a run in its midst: a command for `MPIRun`'s prefix.
public struct Meanwhile {
  /// A rank's number in its shell, under Open MPI and MPICH; 0 alone.
  public static let rank = "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}"
  /// The entries of `/proc/PID/environ` that a rank with this number has one of.
  public static func environment(ofRank rank: Int) -> [String] {
    ["OMPI_COMM_WORLD_RANK=\(rank)", "PMI_RANK=\(rank)"]
  }

  /// - Parameters:
  ///   - condition: a shell condition that the run makes true.
  ///   - action: a shell command; `$$` is the process of the rank.
  ///   - rank: does it; alone it is 0.
  /// - Returns: the command that runs its arguments, and waits for the condition in the background.
  public static func prefix(when condition: String, do action: String, on rank: Int = 0) -> [String] {
    let watch = "for i in $(seq 6000); do if \(condition); then \(action); break; fi; sleep 0.005; done"
    return ["sh", "-c", "[ \(Self.rank) != \(rank) ] || (\(watch)) & exec \"$@\"", "sh"]
  }

  /// Whether a file has more than so many bytes.
  public static func isLarger(_ file: URL, than bytes: Int) -> String {
    "[ $(stat -c %s '\(file.path)' 2>/dev/null || echo 0) -gt \(bytes) ]"
  }

  /// Whether a pattern of file names has a match.
  public static func exists(_ pattern: String) -> String { "ls \(pattern) >/dev/null 2>&1" }

  /// Writes a file's first byte over itself: its contents stay, its time doesn't.
  public static func overwrite(_ file: URL) -> String {
    "dd if='\(file.path)' of='\(file.path)' bs=1 count=1 conv=notrunc 2>/dev/null"
  }
}
