import Foundation

/// Files of /proc and /sys, which the kernel writes as they are read.
public enum KernelFile {
  /// A file's whole text; nil if there is none, or the kernel refuses to give it. Foundation's readers of whole files end after the first 4096 bytes of such
  /// a file, whose size is said to be 0.
  public static func text(_ path: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: path), let bytes = try? file.readToEnd() else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
