import COCO
import HeadImpact

/// The key objects of an instances file, chosen by rules and described: what is decided from the files alone.
struct KeyObjectSelection {
  /// An object, its image, and what is said of it.
  struct KeyObject: Sendable {
    let annotation: Annotation
    let image: ImageRecord
    let category: String
    var description: ObjectDescription
  }

  /// Why objects were left out, in the order in which the rules ask.
  enum Rule: String, CaseIterable, Sendable {
    case crowd
    case category = "another category"
    case tooSmall = "below min-area"
    case tooLarge = "above max-area"
    case unusable = "can't be used"
    case tooFewTokens = "below min-tokens"
    case perImage = "above per-image"
    case balance = "above balance"
  }

  /// What is known of an object only when its outline is read.
  enum Usability {
    case usable
    case tooFewTokens
    case unusable
  }

  /// Ascending by annotation id.
  private(set) var objects: [KeyObject] = []
  private(set) var leftOut: [Rule: Int] = [:]

  /// - Parameters:
  ///   - captions: of the same images; nil where there are none.
  ///   - usability: asked for the objects that every other rule takes, best first.
  /// - Throws: what `usability` throws.
  init(
    _ instances: KeyObjectDataset, captions: KeyObjectDataset?, rules: KeyObjectRules,
    usability: (Annotation, ImageRecord) throws -> Usability
  ) throws {
    let byImage = Dictionary(grouping: instances.annotations, by: \.imageID)
    let said = Dictionary(grouping: captions?.annotationsByID() ?? [], by: \.imageID)
    let wanted = Set(rules.categories)
    for image in instances.images {
      let annotations = byImage[image.id] ?? []
      var candidates: [Candidate] = []
      var present: [String: Int] = [:]
      for annotation in annotations {
        let category = annotation.categoryID.flatMap(instances.category)?.name ?? ""
        present[category, default: 0] += 1
        if let rule = Self.leavesOut(annotation, category: category, in: image, wanted: wanted, rules) {
          leftOut[rule, default: 0] += 1
        } else {
          candidates.append(Candidate(annotation: annotation, category: category))
        }
      }
      guard !candidates.isEmpty else { continue }
      let mentions = CaptionMentions((said[image.id] ?? []).map { ($0.id, $0.caption ?? "") }, present: present)
      candidates = Self.ordered(candidates, in: image, mentions: mentions, choose: rules.choose)
      var taken = 0
      for candidate in candidates {
        guard taken < rules.perImage else {
          leftOut[.perImage, default: 0] += 1
          continue
        }
        switch try usability(candidate.annotation, image) {
        case .usable: break
        case .tooFewTokens:
          leftOut[.tooFewTokens, default: 0] += 1
          continue
        case .unusable:
          leftOut[.unusable, default: 0] += 1
          continue
        }
        taken += 1
        let phrase = rules.describe == .caption ? mentions.description(of: candidate.category) : nil
        objects.append(
          KeyObject(
            annotation: candidate.annotation, image: image, category: candidate.category,
            description: phrase ?? ObjectDescription(category: candidate.category)))
      }
    }
    objects.sort { $0.annotation.id < $1.annotation.id }
    if let most = rules.balance { balance(to: most, seed: rules.seed) }
  }

  private struct Candidate {
    let annotation: Annotation
    let category: String
  }

  private static func leavesOut(
    _ annotation: Annotation, category: String, in image: ImageRecord, wanted: Set<String>, _ rules: KeyObjectRules
  ) -> Rule? {
    if annotation.isCrowd { return .crowd }
    if category.isEmpty || !wanted.isEmpty && !wanted.contains(category) { return .category }
    let share = annotation.share(of: image)
    return share < rules.minArea ? .tooSmall : share > rules.maxArea ? .tooLarge : nil
  }

  /// The best first; among equals the lower id.
  private static func ordered(
    _ candidates: [Candidate], in image: ImageRecord, mentions: CaptionMentions, choose: KeyObjectRules.Choose
  ) -> [Candidate] {
    let ranked = candidates.map { candidate -> (Candidate, Double, Double) in
      let area = candidate.annotation.area ?? 0
      switch choose {
      case .largest: return (candidate, 0, -area)
      case .mentioned: return (candidate, mentions.mention(candidate.category) ? 0 : 1, -area)
      case .central: return (candidate, 0, candidate.annotation.distanceFromCentre(of: image))
      }
    }
    return ranked.sorted { ($0.1, $0.2, $0.0.annotation.id) < ($1.1, $1.2, $1.0.annotation.id) }.map(\.0)
  }

  /// Keeps so many of each category, drawn by a hash of their ids.
  private mutating func balance(to most: Int, seed: UInt64) {
    let lots = SplitMix64(seed: seed)
    let kept = Dictionary(grouping: objects, by: \.category).values.flatMap { objects in
      objects.map { (lots[UInt64(bitPattern: $0.annotation.id)], $0) }
        .sorted { ($0.0, $0.1.annotation.id) < ($1.0, $1.1.annotation.id) }.prefix(most).map(\.1)
    }
    leftOut[.balance] = objects.count - kept.count
    objects = kept.sorted { $0.annotation.id < $1.annotation.id }
  }
}

extension Annotation {
  /// The object's share of its image's area; 0 where the file states no area.
  func share(of image: ImageRecord) -> Double { (area ?? 0) / (Double(image.width) * Double(image.height)) }

  /// From the middle of its box to the image's, in halves of the image's sides; infinite without a box.
  fileprivate func distanceFromCentre(of image: ImageRecord) -> Double {
    guard let box = boundingBox else { return .infinity }
    let x = (box.x + box.width / 2) / Double(image.width) * 2 - 1
    let y = (box.y + box.height / 2) / Double(image.height) * 2 - 1
    return (x * x + y * y).squareRoot()
  }
}
