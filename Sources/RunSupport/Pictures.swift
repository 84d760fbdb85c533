import Foundation
import IO
import ImageInput

/// The pictures of a run's samples, as every rank saw them when it began.
///
/// A picture that is missing is a fault of the data only where all ranks miss it, and from the beginning: a folder that
/// one node has not mounted, or that goes away in mid-run, must not look like samples that can't be used.
public struct Pictures: Sendable {
  public let folder: URL
  /// Files of the dataset that are not there.
  public let missing: Set<String>
  /// Of this process, if there are several.
  private let host: String?
  /// As this host saw the pictures; nil if nobody looked.
  private let stamps: PictureStamps?
  /// Reads them before their turn; nil where each is read when it is wanted.
  private var ahead: PicturesAhead?

  /// Looks for up to so many files one by one; for more it lists their folders.
  private static let lookedForSingly = 2000

  /// - Parameters:
  ///   - host: of this process, where there are several.
  ///   - stamps: of the pictures when the run began; nil allows changes.
  public init(in folder: URL, missing: Set<String>, host: String? = nil, stamps: PictureStamps? = nil) {
    (self.folder, self.missing, self.host, self.stamps) = (folder, missing, host, stamps)
  }

  /// The same, each read in advance where `prepare` asks for it.
  ///
  /// - Parameter processor: what a model makes of a picture, and only of it; it runs on another thread.
  public func readAhead(_ processor: (@Sendable (RGBImage) throws -> PatchBatch)?) -> Pictures {
    var pictures = self
    pictures.ahead = PicturesAhead { [self] fileName in
      let picture = try read(fileName)
      return PicturesAhead.ReadPicture(
        picture: picture, patches: processor.map { processor in Result { try processor(picture.image) } })
    }
    return pictures
  }

  /// Lets a picture that will be wanted soon be read on another thread. Doesn't wait.
  public func prepare(_ fileName: String) { ahead?.begin(fileName) }

  /// The picture of a dataset's image, upright; as it was read in advance, if it was.
  ///
  /// - Parameters:
  ///   - size: according to the dataset; nil if it states none.
  ///   - turned: counts the picture if its EXIF orientation turned it.
  /// - Throws: `SampleFault` if the picture has another size; as `reading` and `decodePicture(contentsOf:)`, in whichever
  ///   thread that was.
  public func image(
    _ fileName: String, size: (width: Int, height: Int)?, turned: TurnedPictures? = nil
  ) throws -> PreparedImage {
    let (picture, patches) =
      if let read = try ahead?.take(fileName)?.get() { (read.picture, read.patches) } else { (try read(fileName), nil) }
    try JobInputs.check(picture.header, of: fileName, size: size)
    turned?.note(picture.header)
    return PreparedImage(picture.image, patches: patches)
  }

  private func read(_ fileName: String) throws -> Picture {
    try reading(fileName) { try decodePicture(contentsOf: JobInputs.imageURL(fileName, in: folder)) }
  }

  /// Runs code that reads one picture.
  ///
  /// - Throws: what `body` throws; but for a fault of the content with the host's name. `JobError` if the picture is another
  ///   than when the run began: that is a fault of the environment, which may pass.
  public func reading<R>(_ fileName: String, _ body: () throws -> R) throws -> R {
    do {
      let result = try body()
      try requireUnchanged(fileName)
      return result
    } catch let fault as MissingFile {
      guard !missing.contains(fileName) else { throw fault }
      throw JobError(
        "\(place)\(fault.path): existed when the run began and is missing now. Nothing is recorded for it: continue with "
          + "--resume when it is back")
    } catch let fault as any ContentFault {
      try requireUnchanged(fileName)
      throw fault
    }
  }

  /// - Throws: `JobError` if the picture is another than when the run began.
  private func requireUnchanged(_ fileName: String) throws {
    guard let change = try stamps?.change(of: fileName, in: folder) else { return }
    throw JobError(
      "\(place)\(folder.appendingPathComponent(fileName).path): \(change) (its size or its time). Nothing is recorded for it: "
        + "let the images alone while a run reads them, and continue with --resume")
  }

  private var place: String { host.map { "host \($0): " } ?? "" }

  /// Runs the work of one sample.
  ///
  /// - Throws: what `body` throws; but for a fault of the content with the host's name.
  public func working<R>(_ body: () throws -> R) throws -> R { try Self.onHost(host, body) }

  /// - Parameter skips: whether a fault of the content is caught further on, where it skips a sample: it stays as it is.
  /// - Throws: what `body` throws, with the host's name.
  public static func onHost<R>(_ host: String?, skips: Bool = true, _ body: () throws -> R) throws -> R {
    do { return try body() } catch let fault as any ContentFault where skips { throw fault } catch {
      // An error of a picture names its host already.
      guard let host, !"\(error)".hasPrefix("host \(host): ") else { throw error }
      throw JobError("host \(host): \(error)")
    }
  }

  /// Which of a dataset's pictures are not there, by name.
  ///
  /// - Throws: `EnvironmentFault` or `JobError` if that is unknown: there is no such folder, or it is empty.
  public static func absent(_ names: Set<String>, in folder: URL) throws -> [String] {
    try checkFolder(folder)
    let missing = try missing(names, in: folder)
    // One may be missing; where all of several are, the folder is another.
    if names.count > 1, missing.count == names.count, let first = missing.first {
      throw JobError(
        "\(folder.path): has none of the dataset's \(names.count) pictures (the first is \(first)); --images is the folder "
          + "that their names are relative to")
    }
    return missing
  }

  /// - Throws: `EnvironmentFault` if the folder can't be listed, or `JobError` where it is empty, as one is where
  ///   nothing is mounted.
  private static func checkFolder(_ folder: URL) throws {
    guard let listing = opendir(folder.path) else {
      throw EnvironmentFault(path: folder.path, operation: "listed", code: errno)
    }
    defer { closedir(listing) }
    // Itself and its parent are always there.
    for _ in 0..<3 where readdir(listing) == nil {
      throw JobError("\(folder.path): is empty; --images is the folder of the dataset's pictures. Is it mounted?")
    }
  }

  /// The files that are not there, by name; those whose name leads out of the folder are not looked for.
  ///
  /// - Throws: `EnvironmentFault` if the system can't tell.
  static func missing(_ names: Set<String>, in folder: URL) throws -> [String] {
    let names = names.filter(RelativePath.staysInside)
    var there: [String: Set<[UInt8]>] = [:]
    return try names.sorted().filter { name in
      let path = folder.appendingPathComponent(name).path
      guard names.count > lookedForSingly else { return try !isThere(path) }
      let parent = (path as NSString).deletingLastPathComponent
      if there[parent] == nil {
        there[parent] = try listing(parent)
      }
      // Bytes, as the system compares them: for Swift two spellings of ü are one.
      return there[parent]?.contains(Array((path as NSString).lastPathComponent.utf8)) != true
    }
  }

  private static func isThere(_ path: String) throws -> Bool {
    if access(path, F_OK) == 0 { return true }
    try requireAbsence(path, errno)
    return false
  }

  /// The names of what is in a folder, but for links to nothing; none if there is no such folder.
  private static func listing(_ path: String) throws -> Set<[UInt8]> {
    guard let folder = opendir(path) else {
      try requireAbsence(path, errno)
      return []
    }
    defer { closedir(folder) }
    var names: Set<[UInt8]> = []
    errno = 0
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if try Int(entry.pointee.d_type) != Int(DT_LNK) || isThere(path + "/" + String(decoding: name, as: UTF8.self)) {
        names.insert(name)
      }
      errno = 0
    }
    guard errno == 0 else { throw EnvironmentFault(path: path, operation: "listed", code: errno) }
    return names
  }

  /// - Throws: where an error says something else than that nothing is there.
  private static func requireAbsence(_ path: String, _ code: Int32) throws {
    guard [ENOENT, ENOTDIR, ENAMETOOLONG].contains(code) else {
      throw EnvironmentFault(path: path, operation: "found", code: code)
    }
  }
}
