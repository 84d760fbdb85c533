import Foundation

/// Temporary names of files and folders being written, in their final folder.
///
/// A name tells whose it is, so that what a killed process left can be taken away (`removeLeftovers`).
public enum TemporaryName {
  private static let partial = "partial"
  private static let old = "old"

  /// `.NAME.MACHINE-PROCESS-START-RANDOM.partial` beside NAME: hidden, and no other run's.
  public static func beside(_ url: URL) -> URL { beside(url, ending: partial) }

  /// For what is about to be replaced.
  static func ofOld(_ url: URL) -> URL { beside(url, ending: old) }

  private static func beside(_ url: URL, ending: String) -> URL {
    let own = ProcessMark.current
    let random = String(UInt32.random(in: 0...UInt32.max), radix: 16)
    return url.deletingLastPathComponent().appendingPathComponent(
      ".\(url.lastPathComponent).\(own.machineKey)-\(own.process)-\(own.start ?? 0)-\(random).\(ending)",
      isDirectory: url.hasDirectoryPath)
  }

  /// Removes what runs that are gone left under temporary names, and nothing of a process that lives. What was about to be
  /// replaced, and wasn't, gets its name back.
  ///
  /// Call it only while no other run may write these names: a run of another machine counts as gone if nothing has
  /// changed for `silence`.
  ///
  /// - Parameters:
  ///   - names: the final names; nil for all in the folder.
  ///   - now: the file server's time, in seconds since 1970.
  ///   - silence: in seconds.
  /// - Returns: the names that were removed, sorted. What can't be removed stays: it is hidden and harmless.
  @discardableResult
  public static func removeLeftovers(of names: Set<String>?, in folder: URL, now: Double, silence: Double) -> [String] {
    let all: [String]
    do { all = try FileSystem.names(in: folder) } catch { return [] }
    return all.filter { name in
      guard let leftover = Leftover(name), names?.contains(leftover.final) ?? true else { return false }
      let url = folder.appendingPathComponent(name)
      guard leftover.isGone ?? isSilent(url, now: now, silence: silence) else { return false }
      // A process killed while it replaced a folder left the old one under this name, and no other.
      if leftover.ending == old, !all.contains(leftover.final) {
        rename(url.path, folder.appendingPathComponent(leftover.final).path)
        return false
      }
      do { try FileSystem.remove(url) } catch { return false }
      return true
    }
  }

  private static func isSilent(_ url: URL, now: Double, silence: Double) -> Bool {
    var status = stat()
    return lstat(url.path, &status) == 0 && now - seconds(status.st_mtim) >= silence
  }

  /// A temporary name, taken apart.
  private struct Leftover {
    let final: String
    let ending: String
    /// nil if the process is of another machine.
    let isGone: Bool?

    /// nil if the name is another kind.
    init?(_ name: String) {
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count >= 4, parts[0].isEmpty, let ending = parts.last.map(String.init),
        [TemporaryName.partial, TemporaryName.old].contains(ending)
      else { return nil }
      let owner = parts[parts.count - 2].split(separator: "-", omittingEmptySubsequences: false)
      // Versions before 0.3 wrote PROCESS-RANDOM: whose process it was, is unknown.
      guard owner.count == 4 || owner.count == 2 else { return nil }
      guard owner.allSatisfy({ $0.count > 0 && $0.allSatisfy(\.isHexDigit) }) else { return nil }
      final = parts[1..<parts.count - 2].joined(separator: ".")
      self.ending = ending
      guard owner.count == 4, let process = Int32(owner[1]), let start = UInt64(owner[2]),
        owner[0] == ProcessMark.current.machineKey
      else {
        isGone = nil
        return
      }
      isGone = ProcessMark.isGone(process, start: start == 0 ? nil : start)
    }
  }
}

/// - Units: seconds since 1970.
public func seconds(_ time: timespec) -> Double { Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9 }
