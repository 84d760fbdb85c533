import Foundation
import IO

/// The part of a sample that could not be used.
public enum SkipKind: String, Codable, CaseIterable, Sendable {
  /// The dataset's reader left the record out.
  case record
  /// The picture's file is missing.
  case missingPicture = "missing_picture"
  /// The picture can't be decoded, has another size than the dataset says, or one that the model doesn't support.
  case picture
  /// The object's outline, or that it covers no visual token.
  case mask
  /// The description, question or answer is missing, empty or can't be tokenised.
  case text
  /// The model's attention, loss or scores are not finite.
  case notFinite = "not_finite"

  /// In a sentence, after a number.
  public var words: String {
    switch self {
    case .record: "record"
    case .missingPicture: "missing picture"
    case .picture: "picture"
    case .mask: "mask"
    case .text: "text"
    case .notFinite: "non-finite numbers"
    }
  }
}

/// Why a sample is not part of the results.
public struct SkipReason: Codable, Equatable, Sendable {
  public let kind: SkipKind
  public let text: String

  public init(_ kind: SkipKind, _ text: String) {
    self.kind = kind
    self.text = text
  }

  /// - Parameter kind: what the job was reading when it met the fault.
  public init(_ kind: SkipKind, _ fault: any ContentFault) {
    self.init(fault is MissingFile ? .missingPicture : kind, "\(fault)")
  }
}

/// How many samples of a run could not be used, by kind.
public struct SkipCounts: Codable, Equatable, Sendable {
  /// Samples that the run was asked for, usable or not.
  public let samples: Int
  public let byKind: [SkipKind: Int]

  /// - Parameter records: that the dataset's reader left out, and `skipped` doesn't name.
  public init(samples: Int, skipped: some Sequence<SkipKind>, records: Int = 0) {
    self.samples = samples
    var byKind = Dictionary(skipped.map { ($0, 1) }, uniquingKeysWith: +)
    if records > 0 { byKind[.record, default: 0] += records }
    self.byKind = byKind
  }

  public var skipped: Int { byKind.values.reduce(0, +) }

  /// By the kinds' names, for JSON.
  public var byName: [String: Int] {
    Dictionary(uniqueKeysWithValues: byKind.map { ($0.key.rawValue, $0.value) })
  }

  /// "7 skipped (3 missing picture, 4 mask)"; nil if none was.
  public var text: String? {
    guard skipped > 0 else { return nil }
    let kinds = SkipKind.allCases.compactMap { kind in byKind[kind].map { "\($0) \(kind.words)" } }
    return "\(skipped) skipped (\(kinds.joined(separator: ", ")))"
  }

  /// Whether more samples were skipped than allowed.
  ///
  /// - Parameter allowed: their share of all samples.
  public func exceed(_ allowed: Double) -> Bool { Double(skipped) > allowed * Double(samples) }

  /// The job's final message about them, on standard error; nil if none was skipped.
  public func report(allowed: Double) -> String? {
    guard let text else { return nil }
    let share = String(format: "%.3g", 100 * Double(skipped) / Double(max(1, samples)))
    let line = "of \(counted(samples, "sample")) \(text): \(share)%"
    guard exceed(allowed) else { return line }
    return line + ", more than --allow-skips \(allowed) (\(String(format: "%.3g", 100 * allowed))%) allows. "
      + "The output is written from the other samples only"
  }

  public static let defaultAllowed = 0.01

  /// - Throws: `JobError` if the option makes no sense.
  public static func validate(allowed: Double) throws {
    guard (0...1).contains(allowed) else {
      throw JobError("--allow-skips is \(allowed); it must be a share from 0 to 1")
    }
  }

  /// Of samples of a kind.
  private static let counts = 0...1 << 40

  // Written with the kinds' names as keys.
  private enum CodingKeys: String, CodingKey {
    case samples
    case skipped
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    samples = try values.decode(Int.self, forKey: .samples)
    var byKind: [SkipKind: Int] = [:]
    for (name, count) in try values.decode([String: Int].self, forKey: .skipped) {
      guard let kind = SkipKind(rawValue: name) else {
        throw DecodingError.dataCorruptedError(
          forKey: .skipped, in: values, debugDescription: "\"\(name)\" is not a known kind of skip")
      }
      guard Self.counts.contains(count) else {
        throw DecodingError.dataCorruptedError(
          forKey: .skipped, in: values, debugDescription: "\(count) samples were not skipped")
      }
      byKind[kind] = count
    }
    self.byKind = byKind
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(samples, forKey: .samples)
    try values.encode(byName, forKey: .skipped)
  }
}
