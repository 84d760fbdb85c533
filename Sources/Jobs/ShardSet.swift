import Foundation
import RunSupport

/// All shards of one run: together they have each of its units exactly once.
public struct ShardSet<UnitOutcome: WorkResult> {
  /// Ascending by number.
  public let files: [ShardFile]
  /// Everything that was skipped, including records that the dataset's reader left out; ascending by id.
  public let skipped: [SkippedSample]
  /// The time that the shards computed, in seconds.
  public var seconds: Double { files.reduce(0) { $0 + $1.manifest.seconds } }
  /// In which file a unit's record is, and where, by the unit's key.
  private let places: [Int: (file: Int, record: Range<UInt64>)]
  private let decode: ([UInt8]) throws -> UnitOutcome

  /// - Parameters:
  ///   - urls: the files, in any order.
  ///   - output: of the run, for errors.
  ///   - attend: called before each record is read.
  ///   - decode: reads a record.
  ///   - visit: called once with every unit's result.
  /// - Throws: `JobError` if a file is no finished shard, one is missing or there twice, they are of different runs, or
  ///   a unit is missing or there twice.
  public init(
    _ urls: [URL], of output: URL, attend: () throws -> Void = {}, decode: @escaping ([UInt8]) throws -> UnitOutcome,
    visit: (UnitOutcome) throws -> Void
  ) throws {
    // Each stays open; a process may have 1,024 open files by default.
    if urls.count > 500 { ProcessShare.allowManyFiles() }
    let files = try urls.map { try ShardFile($0, attend: attend) }.sorted {
      $0.manifest.shard.number < $1.manifest.shard.number
    }
    guard let first = files.first else { throw JobError("\(output.path): no shard is named") }
    for file in files.dropFirst() { try file.requireSameRun(as: first) }
    try Self.checkComplete(files, of: output)
    var places: [Int: (file: Int, record: Range<UInt64>)] = [:]
    var skipped: [SkippedSample] = []
    var samples = 0
    for (index, file) in files.enumerated() {
      var units = 0
      for record in file.records {
        try attend()
        let bytes = try file.read(record)
        let result: UnitOutcome
        do { result = try decode(bytes) } catch {
          throw JobError("\(file.url.path): the record at byte \(record.lowerBound) can't be used: \(error)")
        }
        if let other = places[result.key] {
          // A run that was resumed may have written a unit twice.
          if other.file == index, try file.read(other.record) == bytes { continue }
          throw JobError("\(file.url.path): has unit \(result.key), which \(files[other.file].url.path) has too")
        }
        places[result.key] = (index, record)
        units += 1
        samples += result.sampleCount
        skipped += result.skipped
        try visit(result)
      }
      guard units == file.manifest.units else {
        throw JobError("\(file.url.path): has \(units) units, and says that it has \(file.manifest.units)")
      }
    }
    let plan = first.manifest.plan
    guard places.count == plan.units, samples == plan.samples,
      try ShardManifest.Plan.digest(of: places.keys) == plan.keysSHA256
    else {
      throw JobError(
        "\(output.path): the shards have \(places.count) units of \(samples) samples, and the run has \(plan.units) of "
          + "\(plan.samples): the shards were not made from one list of units")
    }
    (self.files, self.places, self.decode) = (files, places, decode)
    self.skipped = (skipped + first.manifest.lost).sorted { $0.id < $1.id }
  }

  /// - Throws: `JobError` if the file can't be read.
  public func result(of key: Int) throws -> UnitOutcome {
    guard let place = places[key] else { throw JobError("the shards have no record of unit \(key)") }
    return try decode(files[place.file].read(place.record))
  }

  /// - Parameter files: ascending by number.
  private static func checkComplete(_ files: [ShardFile], of output: URL) throws {
    let count = files[0].manifest.shard.count
    for (file, next) in zip(files, files.dropFirst()) where file.manifest.shard == next.manifest.shard {
      throw JobError("\(next.url.path): is shard \(next.manifest.shard), and so is \(file.url.path); name only one")
    }
    let missing = Set(1...count).subtracting(files.map(\.manifest.shard.number)).sorted()
    guard let first = missing.first, let shard = Shard(first, of: count) else { return }
    let names = missing.prefix(20).map(String.init).joined(separator: ", ") + (missing.count > 20 ? ", …" : "")
    throw JobError(
      "\(output.path): of \(count) shards \(missing.count == 1 ? "number" : "numbers") \(names) "
        + "\(missing.count == 1 ? "is" : "are") missing (\(shard.url(of: output).lastPathComponent)): run score "
        + "--shard \(shard) --resume, or name the files if they lie elsewhere")
  }
}

extension ShardFile {
  /// - Throws: `JobError` naming what differs, if this is a shard of another run, or of as many others.
  fileprivate func requireSameRun(as first: ShardFile) throws {
    let (mine, theirs) = (values(of: self), values(of: first))
    let names = first.identity.parts.map(\.name) + identity.parts.map(\.name).filter { theirs[$0] == nil }
    let differences = names.filter { mine[$0] != theirs[$0] }.map { name in
      "\n  \(name) is \(mine[name] ?? "not recorded"), and \(theirs[name] ?? "not recorded") there"
    }
    guard differences.isEmpty else {
      throw JobError("\(url.path): is of another run than \(first.url.path):" + differences.joined())
    }
    guard manifest.shard.count == first.manifest.shard.count else {
      throw JobError(
        "\(url.path): is shard \(manifest.shard), and \(first.url.path) is shard \(first.manifest.shard)")
    }
    guard manifest.plan == first.manifest.plan, manifest.lost == first.manifest.lost else {
      throw JobError("\(url.path): was made from another list of units than \(first.url.path)")
    }
  }

  private func values(of file: ShardFile) -> [String: String] {
    Dictionary(file.identity.parts.map { ($0.name, $0.value) }) { first, _ in first }
  }
}
