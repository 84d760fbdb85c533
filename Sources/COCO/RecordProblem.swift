import IO
import JSON

/// What is wrong with one record of a file of images, annotations or questions, and what that costs.
public struct RecordProblem: Sendable, Equatable, CustomStringConvertible {
  public enum Kind: String, Sendable, Comparable {
    case image
    case category
    case annotation
    case question
    case conversation

    public static func < (a: Kind, b: Kind) -> Bool { a.rawValue < b.rawValue }
  }

  /// What is lost.
  public enum Cost: Sendable, Equatable {
    /// The record: it is left out.
    case record
    /// A part of an object's outline.
    case part
    /// A value that the file need not have: the record is used without it.
    case value
    /// Nothing.
    case nothing
  }

  public let kind: Kind
  /// The record's place in its list.
  let position: Int
  /// Its id; nil if it has none that can be read.
  public let id: Int64?
  /// The place inside the file: `annotations[3].bbox`.
  public let place: String
  /// What is wrong and what would be right.
  public let problem: String
  public let cost: Cost

  /// "annotation 7", or its place where it has no id.
  public var subject: String { id.map { "\(kind.rawValue) \($0)" } ?? "\(kind.rawValue) without an id" }

  /// `annotation 7 (annotations[3].bbox): what is wrong`
  public var description: String { "\(subject) (\(place)): \(problem)" }
}

/// All that is wrong with the records of a file, in the order of its lists.
public struct RecordProblems: Sendable {
  /// More are only counted: a file full of faults must not fill the memory.
  static let mostListed = 100_000

  /// What is wrong, by kind and place.
  public private(set) var listed: [RecordProblem] = []
  /// How many problems are not listed.
  public private(set) var unlisted = 0
  /// The records that may be samples (annotations, questions, conversations) and are left out, listed or not.
  public private(set) var lostSamples = 0

  public init() {}

  public var isEmpty: Bool { listed.isEmpty }
  /// All, listed or not.
  public var count: Int { listed.count + unlisted }

  /// The annotations or questions that are left out: one entry for each, but for those that aren't listed.
  public var lost: [RecordProblem] { listed.filter(\.isLostSample) }

  /// How many records of a list of warnings are named.
  public static let mostNamed = 10

  /// One line for each record that is left out, for people, and one that counts those that aren't named.
  ///
  /// - Parameter most: how many are named; nil for all.
  public func warnings(most: Int? = mostNamed) -> [String] {
    guard lostSamples > 0 else { return [] }
    let named = lost.prefix(most ?? .max)
    let rest = lostSamples - named.count
    return named.map { "left out: \($0)" }
      + (rest > 0 ? ["… and \(rest) more \(agreeing(with: rest, "record is", "records are")) left out"] : [])
  }

  /// How many objects lose a part of their outline, with the first; nil if none does.
  ///
  /// - Parameter objects: how many there are.
  public func lostParts(of objects: Int) -> String? {
    guard let first = listed.first(where: { $0.cost == .part }) else { return nil }
    let losing = Set(listed.lazy.filter { $0.cost == .part }.map(\.position)).count
    return
      "\(losing) of \(counted(objects, "object")) \(agreeing(with: losing, "has parts of its", "have parts of their")) outline that can't be drawn and are left out; the first: \(first)"
  }

  /// Problems that cost no sample: how many, and the first few; empty if there are none.
  ///
  /// - Parameter what: what they are, after their number: "annotations get other ids".
  public func remarks(_ what: String, where isMeant: (RecordProblem) -> Bool) -> [String] {
    let meant = listed.filter(isMeant)
    return meant.isEmpty ? [] : ["\(meant.count) \(what); the first: \(meant[0])"]
  }

  /// The message of a strict run: all records and parts of outlines that are left out; nil if there are none.
  public var refusal: String? {
    let faults = listed.filter { $0.isLostSample || $0.cost == .part }
    let more = lostSamples - lost.count
    guard !faults.isEmpty || more > 0 else { return nil }
    let count = faults.count + more
    return
      "\(agreeing(with: count, "a record or a part of it", "\(count) records or parts of them")) can't be used (--strict):"
      + faults.map { "\n  \($0)" }.joined() + (more > 0 ? "\n  … and \(more) more" : "")
  }

  /// The problem at this place of a record, or below it; nil if none is listed.
  func problem(_ kind: RecordProblem.Kind, at position: Int, place: String) -> RecordProblem? {
    listed(kind, at: position).first { $0.place.hasPrefix(place) }
  }

  /// The problems of one record.
  func listed(_ kind: RecordProblem.Kind, at position: Int) -> ArraySlice<RecordProblem> {
    // `listed` is sorted: by halves to the record's first problem.
    var (low, high) = (0, listed.count)
    while low < high {
      let middle = (low + high) / 2
      if (listed[middle].kind, listed[middle].position) < (kind, position) { low = middle + 1 } else { high = middle }
    }
    return listed[low...].prefix { $0.kind == kind && $0.position == position }
  }

  public mutating func add(_ problem: RecordProblem) {
    if problem.isLostSample { lostSamples += 1 }
    if listed.count < Self.mostListed { listed.append(problem) } else { unlisted += 1 }
  }

  mutating func add(_ others: RecordProblems) {
    for problem in others.listed { add(problem) }
    unlisted += others.unlisted
    lostSamples += others.lostSamples - others.lost.count
  }

  mutating func sort() {
    listed.sort { ($0.kind, $0.position) < ($1.kind, $1.position) }
  }
}

extension RecordProblem {
  var isLostSample: Bool { cost == .record && [.annotation, .question, .conversation].contains(kind) }

  /// - Parameter error: whose path is the place in the file.
  init(_ kind: Kind, at position: Int, id: Int64?, _ error: COCOError, cost: Cost) {
    self.init(kind: kind, position: position, id: id, place: error.jsonPath, problem: error.problem, cost: cost)
  }
}

/// The keys of a record that are read.
enum RecordKey: UInt8 {
  case id, imageID, fileName, width, height, name, supercategory
  case categoryID, isCrowd, area, boundingBox, segmentation, description, caption, question, answers
  case questionID, questionType, answerType, mostFrequent

  var bit: UInt32 { 1 << UInt32(rawValue) }
}

/// Reads the values of one record. One that isn't what is expected is noted, and costs no more than itself.
struct RecordValues {
  private var seen: UInt32 = 0
  /// What is wrong, in the order of the record.
  private(set) var faults: [(key: RecordKey, error: COCOError)] = []
  /// The bits of the keys in `faults`.
  private(set) var faulty: UInt32 = 0

  /// The next value, which is the key's.
  ///
  /// - Returns: nil for `null`, and where the value can't be read as what it should be: `faults` says so then.
  /// - Throws: `COCOError` if it isn't JSON.
  mutating func read<Value>(
    _ key: RecordKey, _ reader: inout JSONReader, _ read: (inout JSONReader) throws -> Value
  ) throws -> Value? {
    guard seen & key.bit == 0 else {
      note(key, reader.fault("the key occurs twice, so its value is ambiguous"))
      try reader.skipValue()
      return nil
    }
    seen |= key.bit
    if reader.readNull() { return nil }
    switch try reader.attempt(read) {
    case .success(let value): return value
    case .failure(let error):
      note(key, error)
      return nil
    }
  }

  mutating func note(_ key: RecordKey, _ error: COCOError) {
    faults.append((key, error))
    faulty |= key.bit
  }

  /// Why the record lacks a value that it needs.
  func missing(_ key: RecordKey, named name: String, _ reader: borrowing JSONReader) -> COCOError {
    faults.first { $0.key == key }?.error
      ?? reader.fault("the key \"\(name)\" is missing\(seen & key.bit == 0 ? "" : ": its value is null")")
  }
}
