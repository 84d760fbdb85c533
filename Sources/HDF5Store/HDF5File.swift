internal import CHDF5
import Foundation
import IO

/// An HDF5 file: one being written under a temporary name until it is complete, or one being read.
///
/// Names of groups and datasets are paths, such as `/skipped/id`; missing groups of a path are created. After an error in
/// writing, a dataset may be there in part: the file is fit for `discard()` only. Not for use by several threads at once.
public final class HDF5File {
  /// The file's path: for one being written, the name it will have.
  public let path: String

  private enum State {
    case writing(aside: String)
    case reading
    case closed
  }
  private var state: State
  private var handle: hid_t
  private let replacing: Bool
  /// Datasets in use stay open, so that rows written one after the other meet in the library's chunk cache.
  private var datasets: [(name: String, handle: hid_t)] = []
  private static let openDatasets = 16

  private init(path: String, state: State, handle: hid_t, replacing: Bool) {
    self.path = path
    self.state = state
    self.handle = handle
    self.replacing = replacing
  }

  // MARK: - Writing

  /// Writes a file as a whole: `path` appears when `body` has returned and everything is on disk, or not at all.
  ///
  /// - Parameter replacing: whether a file of this name may be there, and is replaced.
  public static func write<R>(to path: String, replacing: Bool = false, _ body: (HDF5File) throws -> R) throws -> R {
    let file = try create(at: path, replacing: replacing)
    do {
      let result = try body(file)
      try file.commit()
      return result
    } catch {
      file.discard()
      throw error
    }
  }

  /// Begins a file under a temporary name in the folder of `path`. It gets its name by `commit()`; `discard()`, or letting
  /// go of it, removes it.
  public static func create(at path: String, replacing: Bool = false) throws -> HDF5File {
    try withLibrary {
      let place = Place(file: path, object: nil, operation: "create")
      if !replacing { try refuseExisting(place) }
      let aside = TemporaryName.beside(URL(fileURLWithPath: path)).path
      let handle = try place.with(chdf5_new_access(), close: H5Pclose) { access in
        try place.with(chdf5_new_file_creation(), close: H5Pclose) { creation in
          try place.check(chdf5_create_file(aside, creation, access))
        }
      }
      return HDF5File(path: path, state: .writing(aside: aside), handle: handle, replacing: replacing)
    }
  }

  /// Closes the file, brings it to disk and gives it its name, in one step. Whatever fails, the temporary file is removed.
  public func commit() throws {
    try withLibrary {
      let place = Place(file: path, object: nil, operation: "finish")
      guard case .writing(let aside) = state else { throw place.error("it isn't being written") }
      do {
        try closeHandles(place)
        state = .closed
        let temporary = URL(fileURLWithPath: aside)
        do {
          try synchronize(temporary)
          if !replacing { try Self.refuseExisting(place) }
          try putInPlace(temporary, at: URL(fileURLWithPath: path))
        } catch let fault as EnvironmentFault { throw place.error(fault.reason) }
      } catch {
        state = .writing(aside: aside)
        discard()
        throw error
      }
    }
  }

  /// Removes what was written. Nothing happens after `commit()`.
  public func discard() {
    withLibrary {
      guard case .writing(let aside) = state else { return }
      // First, so that closing needs no space on a full disk. What a failed close loses here is not needed.
      unlink(aside)
      for dataset in datasets { _ = H5Dclose(dataset.handle) }
      datasets = []
      if handle >= 0 { _ = H5Fclose(handle) }
      handle = -1
      state = .closed
    }
  }

  deinit { discard() }

  private static func refuseExisting(_ place: Place) throws {
    guard !isTaken(place.file) else { throw place.error("a file of this name already exists") }
  }

  // MARK: - Reading

  /// Opens a file, passes it to `body` and closes it.
  public static func read<R>(from path: String, _ body: (HDF5File) throws -> R) throws -> R {
    let file = try open(path)
    let result: R
    do { result = try body(file) } catch {
      // The first failure is the one to report.
      do { try file.close() } catch _ {}
      throw error
    }
    try file.close()
    return result
  }

  /// Opens a file for reading; `close()` ends it.
  public static func open(_ path: String) throws -> HDF5File {
    try withLibrary {
      let place = Place(file: path, object: nil, operation: "open")
      if let reason = reasonNotToOpen(path) { throw place.error(reason) }
      let handle = try place.with(chdf5_new_access(), close: H5Pclose) {
        try place.check(chdf5_open_file(path, $0))
      }
      return HDF5File(path: path, state: .reading, handle: handle, replacing: false)
    }
  }

  /// Ends reading.
  public func close() throws {
    try withLibrary {
      let place = Place(file: path, object: nil, operation: "close")
      guard case .reading = state else { throw place.error("it isn't open for reading") }
      state = .closed
      try closeHandles(place)
    }
  }

  private func closeHandles(_ place: Place) throws {
    while let dataset = datasets.popLast() {
      try Place(file: path, object: dataset.name, operation: place.operation).check(H5Dclose(dataset.handle))
    }
    let last = handle
    handle = -1
    try place.check(H5Fclose(last))
  }

  // MARK: - What the other files of this module use

  /// Runs `body` inside the library with the file's handle and a canonical name.
  func access<R>(_ name: String, _ operation: String, writing: Bool, _ body: (hid_t, String, Place) throws -> R) throws
    -> R
  {
    try withLibrary {
      let parts = name.split(separator: "/", omittingEmptySubsequences: true)
      let canonical = "/" + parts.joined(separator: "/")
      let place = Place(file: path, object: canonical, operation: operation)
      switch state {
      case .closed: throw place.error("the file is closed")
      case .reading where writing: throw place.error("the file is open for reading only")
      case .reading, .writing: break
      }
      guard !name.isEmpty, !name.utf8.contains(0), !parts.contains("."), !parts.contains("..") else {
        throw place.error("\"\(name)\" is not a valid object name")
      }
      return try body(handle, canonical, place)
    }
  }

  /// An open dataset, which stays open for a while.
  func dataset(_ name: String, _ file: hid_t, _ place: Place) throws -> hid_t {
    if let index = datasets.firstIndex(where: { $0.name == name }) {
      let known = datasets.remove(at: index)
      datasets.append(known)
      return known.handle
    }
    guard try exists(name, file, place) else { throw place.error("there is no such dataset") }
    let handle = try place.check(H5Dopen2(file, name, chdf5_default()))
    try remember(name, handle)
    return handle
  }

  func remember(_ name: String, _ handle: hid_t) throws {
    datasets.append((name, handle))
    guard datasets.count > Self.openDatasets else { return }
    let oldest = datasets.removeFirst()
    try Place(file: path, object: oldest.name, operation: "close").check(H5Dclose(oldest.handle))
  }

  /// Whether an object has this canonical name. Each link of the path must be checked.
  func exists(_ name: String, _ file: hid_t, _ place: Place) throws -> Bool {
    var parent = ""
    for part in name.split(separator: "/") {
      parent += "/" + part
      guard try place.check(H5Lexists(file, parent, chdf5_default())) > 0 else { return false }
      // A link may lead nowhere.
      guard try place.check(H5Oexists_by_name(file, parent, chdf5_default())) > 0 else { return false }
    }
    return true
  }
}
