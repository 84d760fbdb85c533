/// By which rules key objects are chosen and described; written into `info.key_object_rules` of what they make.
public struct KeyObjectRules: Sendable, Equatable {
  public enum Choose: String, Sendable, CaseIterable {
    case largest
    /// Those that the captions speak of, then the largest.
    case mentioned
    case central
  }

  /// Bounds of the object's area over the image's.
  public var minArea = 0.05
  public var maxArea = 0.6
  /// Visual tokens that the object must cover, if there is a model to determine them.
  public var minTokens = 2
  /// Objects of one image.
  public var perImage = 1
  public var choose = Choose.mentioned
  /// Names of categories; all where empty.
  public var categories: [String] = []
  /// Names of categories that are left out.
  public var excluded: [String] = []
  /// Whether an object must be the only one of its category in its image, or described so that it can be no other.
  public var unique = true
  /// Whether a caption must name the object's category.
  public var requireMention = false
  /// Objects of one category; nil for all.
  public var balance: Int?
  public var describe = ObjectDescription.Source.caption
  public var split: DatasetSplit?
  public var seed: UInt64 = 0

  public init() {}

  /// - Parameters:
  ///   - hasCaptions: whether captions are given; `hasModel` whether a model is.
  /// - Throws: `KeyObjectError` naming the option and what it may be.
  public func validate(hasCaptions: Bool, hasModel: Bool) throws {
    guard minArea >= 0, minArea <= maxArea, maxArea <= 1 else {
      throw KeyObjectError(
        "--min-area \(minArea) and --max-area \(maxArea): shares from 0 to 1, the first not larger than the second")
    }
    guard minTokens >= 1 else { throw KeyObjectError("--min-tokens \(minTokens): at least 1") }
    guard perImage >= 1 else { throw KeyObjectError("--per-image \(perImage): at least 1") }
    guard balance ?? 1 >= 1 else { throw KeyObjectError("--balance \(balance ?? 0): at least 1") }
    guard hasCaptions || (choose != .mentioned && describe != .caption) else {
      throw KeyObjectError(
        "--choose mentioned and --describe caption, the defaults, need --captions; or take --choose largest --describe category"
      )
    }
    guard hasCaptions || !requireMention else {
      throw KeyObjectError("--require-mention needs --captions, which name an object's category or don't")
    }
    guard hasModel || describe != .model else {
      throw KeyObjectError("--describe model needs --model: the folder of the describing model")
    }
  }
}

/// Why a key-object dataset can't be made, shown or checked.
public struct KeyObjectError: Error, CustomStringConvertible, Equatable {
  public let description: String

  init(_ description: String) { self.description = description }
}
