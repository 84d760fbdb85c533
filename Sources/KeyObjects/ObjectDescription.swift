import COCO

/// The description of a key object, and where it comes from.
public struct ObjectDescription: Sendable, Equatable {
  public enum Source: String, Sendable, CaseIterable, Codable {
    /// A noun phrase of one of the image's captions.
    case caption
    /// The category's name.
    case category
    /// A model that was shown the object alone.
    case model
  }

  public let text: String
  public let source: Source
  /// The caption that the phrase was taken from.
  public let captionID: Int64?

  init(text: String, source: Source, captionID: Int64? = nil) {
    self.text = text
    self.source = source
    self.captionID = captionID
  }

  init(category: String) { self.init(text: CategoryWords.indefinite(category), source: .category) }
}

/// The phrases of an image's captions for the objects in it.
struct CaptionMentions: Sendable {
  private struct Mention {
    let phrase: NounPhrase
    let captionID: Int64
  }

  private let mentions: [Mention]
  private let present: [String: Int]

  /// - Parameters:
  ///   - captions: of the image, ascending by id.
  ///   - present: how many objects of each category the image has.
  init(_ captions: [(id: Int64, text: String)], present: [String: Int]) {
    mentions = captions.flatMap { caption in
      NounPhrase.all(in: caption.text).map { Mention(phrase: $0, captionID: caption.id) }
    }
    self.present = present
  }

  /// Whether a caption speaks of an object of this category.
  func mention(_ category: String) -> Bool { mentions.contains { isAbout(category, $0.phrase) } }

  /// The phrase for an object of this category; nil if the captions have none that must be about it.
  ///
  /// The word that most captions use wins, then the longer phrase, then the earlier caption. Where the captions disagree
  /// about what it is ("a man", "a woman"), or the image has several such objects and the captions distinguish them, no
  /// phrase can be assigned to this one.
  func description(of category: String) -> ObjectDescription? {
    var about = mentions.filter { isAbout(category, $0.phrase) }
    let senses = Dictionary(about.compactMap { $0.phrase.sense.map { ($0, 1) } }, uniquingKeysWith: +)
    if present[category, default: 0] > 1, senses.count > 1 { return nil }
    let most = senses.values.max() ?? 0
    // A tie says nothing; the words that go with all others remain ("a person").
    let sense = senses.values.count { $0 == most } == 1 ? senses.first { $0.value == most }?.key : nil
    about = about.filter { $0.phrase.sense == nil || $0.phrase.sense == sense }
    let votes = Dictionary(about.map { ($0.phrase.head, 1) }, uniquingKeysWith: +)
    func rank(_ mention: Mention) -> (Int, Int, Int) {
      (votes[mention.phrase.head, default: 0], mention.phrase.isPlural ? 0 : 1, mention.phrase.text.count)
    }
    guard let first = about.first else { return nil }
    let best = about.dropFirst().reduce(first) { rank($1) > rank($0) ? $1 : $0 }
    return ObjectDescription(text: best.phrase.text, source: .caption, captionID: best.captionID)
  }

  /// A phrase that is true of this object and of no other of its category; nil if there is none.
  ///
  /// Only a comparison of sizes is taken, where the outlines confirm it: "the smaller giraffe" of two, "the largest boat".
  func distinction(of category: String, _ rank: SizeRank) -> ObjectDescription? {
    let fitting = mentions.first { mention in
      guard isAbout(category, mention.phrase), let comparison = mention.phrase.comparison else { return false }
      return rank.confirms(comparison)
    }
    return fitting.flatMap { mention in
      mention.phrase.comparison.map {
        ObjectDescription(text: $0.text, source: .caption, captionID: mention.captionID)
      }
    }
  }

  /// A word of several categories ("bike") is about the only one of them that the image has.
  private func isAbout(_ category: String, _ phrase: NounPhrase) -> Bool {
    phrase.categories.contains(category)
      && phrase.categories.allSatisfy { $0 == category || present[$0, default: 0] == 0 }
  }
}
