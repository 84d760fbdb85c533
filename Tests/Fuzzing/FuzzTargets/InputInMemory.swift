import Foundation

/// A file in memory whose bytes change from one execution to the next, under a name that any reader can open.
struct InputInMemory {
  private let descriptor: Int32
  let url: URL

  init() {
    var path = Array("/dev/shm/headimpact-fuzz-XXXXXX".utf8CString)
    descriptor = mkstemp(&path)
    unlink(path)
    url = URL(fileURLWithPath: "/proc/self/fd/\(descriptor)")
  }

  func set(_ bytes: [UInt8]) throws {
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
      throw CocoaError(.fileWriteUnknown)
    }
  }

  /// A copy of `folder` made of links, in which one file is this input.
  func standing(for name: String, in folder: URL?) throws -> URL {
    let files = FileManager.default
    let place = files.temporaryDirectory.appendingPathComponent("headimpact-fuzz-\(getpid())-\(descriptor)")
    try files.createDirectory(at: place, withIntermediateDirectories: true)
    for file in try folder.map({ try files.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil) }) ?? []
    where file.lastPathComponent != name {
      try files.createSymbolicLink(at: place.appendingPathComponent(file.lastPathComponent), withDestinationURL: file)
    }
    try files.createSymbolicLink(atPath: place.appendingPathComponent(name).path, withDestinationPath: url.path)
    return place
  }
}
