import Foundation
import IO
import ImageInput

/// Checks and reading of jobs' inputs.
public enum JobInputs {
  /// A whole input file.
  ///
  /// - Throws: `JobError` naming it.
  public static func read(_ url: URL) throws -> [UInt8] {
    // A missing input is not an error of a sample, so no `ContentFault` may be thrown here.
    do { return try InputFile.read(url) } catch { throw JobError("\(error)") }
  }

  /// The SHA-256 of an input file, for a run's identity; "none" where none was named.
  public static func digest(_ bytes: [UInt8]?) throws -> String {
    try bytes?.withUnsafeBytes { try SHA256.hex(of: $0) } ?? "none"
  }

  /// A file below the folder of images.
  ///
  /// - Throws: `SampleFault` if its name leads out of the folder.
  public static func imageURL(_ fileName: String, in folder: URL) throws -> URL {
    guard let url = RelativePath.url(fileName, in: folder) else {
      throw SampleFault("file_name \"\(fileName)\" leaves the images folder")
    }
    return url
  }

  /// The picture of a dataset's image, upright.
  ///
  /// - Parameters:
  ///   - size: according to the dataset; nil if it states none.
  ///   - turned: counts the picture if its EXIF orientation turned it.
  /// - Throws: `SampleFault` if the picture has another size; as `decodePicture(contentsOf:)`.
  public static func image(
    _ fileName: String, in folder: URL, size: (width: Int, height: Int)?, turned: TurnedPictures? = nil
  ) throws -> RGBImage {
    let picture = try decodePicture(contentsOf: try imageURL(fileName, in: folder))
    try check(picture.header, of: fileName, size: size)
    turned?.note(picture.header)
    return picture.image
  }

  /// The size of a dataset's image when upright, from its file's header.
  ///
  /// - Throws: as `image(_:in:size:turned:)`.
  public static func imageSize(
    _ fileName: String, in folder: URL, size: (width: Int, height: Int)?
  ) throws -> (width: Int, height: Int) {
    let header = try PictureHeader(contentsOf: try imageURL(fileName, in: folder))
    try check(header, of: fileName, size: size)
    return (header.width, header.height)
  }

  static func check(_ header: PictureHeader, of name: String, size: (width: Int, height: Int)?) throws {
    guard let size, let problem = header.problem(named: name, statedSize: size) else { return }
    throw SampleFault(problem)
  }

  /// - Throws: `JobError` if the folder that an output goes to isn't there or can't be written to.
  ///
  /// - Parameter option: which names the output.
  public static func checkFolder(of output: URL, option: String = "--output") throws {
    let folder = output.deletingLastPathComponent().path
    let files = FileManager.default
    guard files.fileExists(atPath: folder), files.isWritableFile(atPath: folder) else {
      throw JobError("\(folder): is not a writable folder, and \(option) goes there")
    }
  }

  /// Layers and heads chosen by the Head Impact of a model are only used on that model.
  ///
  /// - Parameters:
  ///   - scored: `model_sha256` of the scoring run or the selection; nil if it isn't known.
  ///   - source: for the error: a path, or "the heads".
  /// - Throws: `JobError` if it is of another model.
  public static func checkScored(_ scored: String?, by source: String, is sha256: String, of model: URL) throws {
    guard let scored, scored != sha256 else { return }
    throw JobError(
      "\(source): chosen by the Head Impact of another model (model_sha256 \(scored)) than \(model.path) (\(sha256)); "
        + "score this model, and choose by that")
  }

  /// - Throws: `JobError` if `--threads` or `--limit` makes no sense.
  public static func validate(threads: Int?, limit: Int?) throws {
    if let limit, limit < 1 { throw JobError("--limit is \(limit); it must be at least 1") }
    if let threads, !(1...4096).contains(threads) { throw JobError("--threads is \(threads); it must be in 1...4096") }
  }

  /// - Throws: `JobError` if one of the paths is there already.
  public static func refuseExisting(_ paths: [(path: String, what: String)]) throws {
    for (path, what) in paths where FileManager.default.fileExists(atPath: path) {
      throw JobError("\(path): \(what) already exists; continue it with --resume, or start over with --overwrite")
    }
  }
}
