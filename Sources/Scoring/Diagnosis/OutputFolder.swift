import Foundation
import IO
import RunSupport

/// What the folder of an output offers: the kind of its file system, room, and operations that a run needs.
struct OutputFolder {
  let url: URL

  /// The name of its file system's type, such as "ext4", "nfs4" or "lustre"; nil if the system doesn't say.
  var fileSystem: String? {
    var status = stat()
    guard stat(url.path, &status) == 0,
      let mounts = KernelFile.text("/proc/self/mountinfo")
    else { return nil }
    let device = Int(status.st_dev)
    let major = (device >> 8) & 0xfff | (device >> 32) & ~0xfff
    let minor = device & 0xff | (device >> 12) & ~0xff
    return Self.fileSystem(ofDevice: "\(major):\(minor)", mounts: mounts)
  }

  /// - Parameter mounts: the text of /proc/self/mountinfo.
  static func fileSystem(ofDevice device: String, mounts: String) -> String? {
    mounts.split(separator: "\n").lazy.compactMap { line -> String? in
      let halves = line.components(separatedBy: " - ")
      guard halves.count == 2, halves[0].split(separator: " ").dropFirst(2).first.map(String.init) == device else {
        return nil
      }
      return halves[1].split(separator: " ").first.map(String.init)
    }.first
  }

  /// Free bytes for this user; nil if the system doesn't say.
  var room: Int? {
    var status = statvfs()
    guard statvfs(url.path, &status) == 0 else { return nil }
    return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
  }

  /// Makes a file as a run makes its lock and its output: exclusively, with fsync, under a temporary name.
  ///
  /// - Returns: the file, for other hosts to look for; the caller removes it.
  /// - Throws: `JobError` saying what the file system can't do.
  func makeProbe() throws -> URL {
    let file = TemporaryName.beside(url.appendingPathComponent("doctor"))
    let first = TemporaryName.beside(url.appendingPathComponent("doctor"))
    let descriptor = open(first.path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("a file can't be created there", errno) }
    defer {
      close(descriptor)
      unlink(first.path)
    }
    let second = open(first.path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
    if second >= 0 {
      close(second)
      throw JobError("\(url.path): two processes can create the same file exclusively there: no lock holds")
    }
    guard write(descriptor, "doctor", 6) == 6 else { throw failure("a file can't be written there", errno) }
    guard fsync(descriptor) == 0 else { throw failure("fsync doesn't work there", errno) }
    guard rename(first.path, file.path) == 0 else { throw failure("a file can't be renamed there", errno) }
    return file
  }

  private func failure(_ what: String, _ code: Int32) -> JobError {
    JobError("\(url.path): \(what): \(errnoText(code))")
  }

  /// Whether this host sees a file that another one has just made.
  static func sees(_ file: String) -> Bool {
    // Listing the folder makes NFS ask the server for what it may remember as absent. If that fails, so does the look at the file.
    _ = try? FileSystem.names(in: URL(fileURLWithPath: file).deletingLastPathComponent())
    return access(file, F_OK) == 0
  }
}
