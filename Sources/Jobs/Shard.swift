import Foundation
import IO
import RunSupport

/// One of several runs that share the units of a job without MPI, each on its own machine or at its own time:
/// `--shard 3/16`.
public struct Shard: Codable, Hashable, Sendable, CustomStringConvertible {
  /// How many shards a job may have.
  public static let counts = 1...100_000

  /// From 1.
  public let number: Int
  public let count: Int

  /// nil if the number is not in 1...count.
  init?(_ number: Int, of count: Int) {
    guard Self.counts.contains(count), (1...count).contains(number) else { return nil }
    (self.number, self.count) = (number, count)
  }

  private enum CodingKeys: String, CodingKey {
    case number, count
  }

  /// - Throws: `JobError` if the number is not in 1...count.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let (number, count) = (try values.decode(Int.self, forKey: .number), try values.decode(Int.self, forKey: .count))
    guard let shard = Shard(number, of: count) else { throw JobError("there is no shard \(number)/\(count)") }
    self = shard
  }

  /// - Parameter text: as `description` has it.
  /// - Throws: `JobError` if it is something else.
  public init(_ text: String) throws {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let number = parts[0], let count = parts[1], let shard = Shard(number, of: count) else {
      throw JobError("a shard is i/n, with i in 1...n and n up to \(Self.counts.upperBound): 3/16 is the third of 16")
    }
    self = shard
  }

  /// "3/16"
  public var description: String { "\(number)/\(count)" }

  // MARK: - Its files

  private static let mark = ".shard-"

  /// The file that the shard leaves beside the output of the whole job: "hi.h5.shard-3-of-16".
  public func url(of output: URL) -> URL {
    URL(fileURLWithPath: "\(output.path)\(Self.mark)\(number)-of-\(count)")
  }

  /// The shard that a file beside an output is by its name; nil if it is none.
  private init?(name: String, of output: URL) {
    let start = output.lastPathComponent + Self.mark
    guard name.hasPrefix(start) else { return nil }
    let numbers = name.dropFirst(start.count).components(separatedBy: "-of-").map { Int($0) }
    guard numbers.count == 2, let number = numbers[0], let count = numbers[1] else { return nil }
    self.init(number, of: count)
  }

  /// The finished shards of an output, by the names beside it, ascending by number.
  ///
  /// - Throws: `JobError` if there is none, or they are of different counts.
  public static func files(of output: URL) throws -> [URL] {
    let folder = output.deletingLastPathComponent()
    let shards = try FileSystem.names(in: folder).compactMap { Shard(name: $0, of: output) }
    let counts = Set(shards.map(\.count)).sorted()
    guard counts.count <= 1 else {
      throw JobError(
        "\(output.path): beside it are shards of \(counts.map(String.init).joined(separator: " and of ")); "
          + "name those to gather, or remove the others")
    }
    guard !shards.isEmpty else {
      throw JobError(
        "\(output.path): beside it is no finished shard (\(output.lastPathComponent)\(mark)1-of-n): make them with "
          + "score --shard, or name them")
    }
    return shards.sorted { $0.number < $1.number }.map { $0.url(of: output) }
  }

  // MARK: - Its units

  /// The part of a list that this shard does: dealt in turns, forwards and backwards, so that the parts of a list whose
  /// most expensive entries come first cost about the same.
  public func part<Entry>(of order: [Entry]) -> [Entry] {
    order.enumerated().compactMap { place, entry in
      let (turn, seat) = place.quotientAndRemainder(dividingBy: count)
      return (turn.isMultiple(of: 2) ? seat : count - 1 - seat) == number - 1 ? entry : nil
    }
  }
}
