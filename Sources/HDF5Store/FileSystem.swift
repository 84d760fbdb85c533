import Foundation

/// The error of the last failed system call.
func systemReason() -> String { String(cString: strerror(errno)) }

/// Whether there is anything of this name.
func isTaken(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// Brings a file, or the names in a folder, to the disk itself.
///
/// - Returns: why it failed; nil if it worked.
func synchronize(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY)
  guard descriptor >= 0 else { return systemReason() }
  defer { close(descriptor) }
  return fsync(descriptor) == 0 ? nil : systemReason()
}

/// Why a path can't be read as a file; nil if it can. Asked before opening, which for a pipe would wait for ever.
func reasonNotToOpen(_ path: String) -> String? {
  var status = stat()
  guard stat(path, &status) == 0 else { return systemReason() }
  return status.st_mode & S_IFMT == S_IFREG ? nil : "not a file"
}
