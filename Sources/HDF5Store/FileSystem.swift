import Foundation
import IO

/// Whether there is anything of this name.
func isTaken(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// Why a path can't be read as a file; nil if it can. Asked before opening, which for a pipe would wait for ever.
func reasonNotToOpen(_ path: String) -> String? {
  var status = stat()
  guard stat(path, &status) == 0 else { return errnoText(errno) }
  return status.st_mode & S_IFMT == S_IFREG ? nil : "not a file"
}
