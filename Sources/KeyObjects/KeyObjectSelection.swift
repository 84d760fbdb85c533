import COCO
import HeadImpact

/// The key objects of an instances file, chosen by rules and described: what is decided from the files alone.
struct KeyObjectSelection {
  /// An object, its image, and its description.
  struct KeyObject: Sendable {
    let annotation: Annotation
    let image: ImageRecord
    let category: String
    var description: ObjectDescription
    /// Whether its outline is written as the file has it.
    var hasPlainOutline = true
  }

  /// Why objects were left out, in the order in which the rules ask.
  enum Rule: String, CaseIterable, Sendable {
    case unreadable = "can't be read"
    case crowd
    case category = "another category"
    case tooSmall = "below min-area"
    case tooLarge = "above max-area"
    case notMentioned = "not named by a caption"
    case repeated = "the same object again"
    case ambiguous = "not the only one of its category"
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

  /// What is asked of pictures and outlines, one at a time. What is wrong with one costs that object; everything else
  /// is thrown.
  protocol Examiner {
    /// What is wrong with the object's category or with whether it is a crowd; nil if nothing is.
    func fault(of annotation: Annotation) -> COCOError?
    /// The size of an image for which the file states none; nil if the image can't be used.
    mutating func size(of image: ImageRecord) throws -> ImageSize?
    /// The area and the box of an object for which the file lacks one of them; nil if its outline can't be
    /// drawn.
    mutating func measures(of annotation: Annotation, _ size: ImageSize) throws -> Measures?
    /// The intersection of two outlines over their union; nil if one of them can't be drawn.
    func overlap(of one: Annotation, with other: Annotation, _ size: ImageSize) throws -> Double?
    /// Asked for the objects that every other rule takes, best first.
    mutating func usability(of annotation: Annotation, in image: ImageRecord, _ size: ImageSize) throws -> Usability
    /// Called for an object whose record has a fault that matters here.
    mutating func note(_ annotation: Annotation, _ fault: COCOError)
  }

  /// - Units: pixels.
  struct Measures {
    let area: Double
    let box: BoundingBox
  }

  /// Ascending by annotation id.
  private(set) var objects: [KeyObject] = []
  private(set) var leftOut: [Rule: Int] = [:]
  /// Images with objects but without a caption; nil if there are no captions at all.
  private(set) var imagesWithoutCaption: Int?

  /// - Parameters:
  ///   - captions: of the same images; nil if there are none.
  /// - Throws: what `examiner` throws.
  init(
    _ instances: KeyObjectDataset, captions: KeyObjectDataset?, rules: KeyObjectRules, examiner: inout some Examiner
  ) throws {
    if instances.problems.lostSamples > 0 { leftOut[.unreadable] = instances.problems.lostSamples }
    let byImage = Dictionary(grouping: instances.annotations, by: \.imageID)
    let said = Dictionary(grouping: captions?.annotationsByID() ?? [], by: \.imageID)
    if captions != nil { imagesWithoutCaption = 0 }
    let wanted = Set(rules.categories.isEmpty ? instances.categories.map(\.name) : rules.categories)
      .subtracting(rules.excluded)
    for image in instances.images {
      let annotations = byImage[image.id] ?? []
      guard !annotations.isEmpty else { continue }
      let texts = (said[image.id] ?? []).map { (id: $0.id, text: $0.caption ?? "") }
      if captions != nil, texts.allSatisfy({ $0.text.allSatisfy(\.isWhitespace) }) {
        imagesWithoutCaption = (imagesWithoutCaption ?? 0) + 1
      }
      guard let size = try image.size ?? examiner.size(of: image) else {
        leftOut[.unusable, default: 0] += annotations.count
        continue
      }
      let content = ImageContent(image: image, size: size, annotations: annotations, instances: instances, texts)
      try choose(from: content, wanted: wanted, rules, &examiner)
    }
    objects.sort { $0.annotation.id < $1.annotation.id }
    if let most = rules.balance { balance(to: most, seed: rules.seed) }
  }

  /// An image, the objects in it, and what its captions say of them.
  private struct ImageContent {
    let image: ImageRecord
    let size: ImageSize
    /// In the order of the file, with the names of their categories; empty where there is none.
    let annotations: [(annotation: Annotation, category: String)]
    let mentions: CaptionMentions

    init(
      image: ImageRecord, size: ImageSize, annotations: [Annotation], instances: KeyObjectDataset,
      _ texts: [(id: Int64, text: String)]
    ) {
      self.image = image
      self.size = size
      self.annotations = annotations.map { ($0, $0.categoryID.flatMap(instances.category)?.name ?? "") }
      mentions = CaptionMentions(
        texts, present: Dictionary(self.annotations.map { ($0.category, 1) }, uniquingKeysWith: +))
    }

    func all(of category: String) -> [Annotation] { annotations.filter { $0.category == category }.map(\.annotation) }
  }

  /// Adds the key objects of an image.
  private mutating func choose(
    from content: ImageContent, wanted: Set<String>, _ rules: KeyObjectRules, _ examiner: inout some Examiner
  ) throws {
    let mentions = content.mentions
    var candidates: [Candidate] = []
    var others: [String: SameCategory] = [:]
    for (annotation, category) in content.annotations {
      let judged = try Self.candidate(annotation, category, content.size, wanted: wanted, rules, &examiner)
      guard case .success(var candidate) = judged else {
        if case .failure(let broken) = judged { leftOut[broken.rule, default: 0] += 1 }
        continue
      }
      if rules.requireMention, !mentions.mention(category) {
        leftOut[.notMentioned, default: 0] += 1
        continue
      }
      if rules.unique {
        let same = try others[category] ?? Self.sameCategory(content.all(of: category), content.size, &examiner)
        others[category] = same
        if let broken = Self.check(&candidate, among: same, mentions, rules) {
          leftOut[broken, default: 0] += 1
          continue
        }
      }
      candidates.append(candidate)
    }
    var taken = 0
    for candidate in Self.ordered(candidates, in: content.size, mentions: mentions, choose: rules.choose) {
      guard taken < rules.perImage else {
        leftOut[.perImage, default: 0] += 1
        continue
      }
      switch try examiner.usability(of: candidate.annotation, in: content.image, content.size) {
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
          annotation: candidate.annotation, image: content.image, category: candidate.category,
          description: candidate.distinction ?? phrase ?? ObjectDescription(category: candidate.category)))
    }
  }

  /// Asks whether a description of the object could be about another, and gives it the one that can't.
  ///
  /// - Returns: the rule that it breaks; nil if none.
  private static func check(
    _ candidate: inout Candidate, among same: SameCategory, _ mentions: CaptionMentions, _ rules: KeyObjectRules
  ) -> Rule? {
    if same.repeated.contains(candidate.annotation.id) { return .repeated }
    guard same.distinct.count > 1 else { return nil }
    guard rules.describe == .caption else { return .ambiguous }
    candidate.distinction = mentions.distinction(of: candidate.category, same.rank(of: candidate.annotation.id))
    return candidate.distinction == nil ? .ambiguous : nil
  }

  private static func sameCategory(
    _ annotations: [Annotation], _ size: ImageSize, _ examiner: inout some Examiner
  ) throws -> SameCategory {
    let byID = Dictionary(annotations.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    return try SameCategory(
      annotations.map { SameCategory.Member(id: $0.id, isCrowd: $0.isCrowd, area: $0.area, box: $0.boundingBox) }
    ) { one, other in
      guard let one = byID[one], let other = byID[other] else { return nil }
      return try examiner.overlap(of: one, with: other, size)
    }
  }

  /// Says which objects' outlines are written in another way than the file has them.
  mutating func mark(oddOutlines: Set<Int64>) {
    for at in objects.indices where oddOutlines.contains(objects[at].annotation.id) {
      objects[at].hasPlainOutline = false
    }
  }

  private struct Candidate {
    let annotation: Annotation
    let category: String
    let area: Double
    /// nil if no rule asks for it.
    let box: BoundingBox?
    /// A description that is true of no other object of the category, where there are others.
    var distinction: ObjectDescription?
  }

  private struct BrokenRule: Error {
    let rule: Rule
  }

  private static func candidate(
    _ annotation: Annotation, _ category: String, _ size: ImageSize, wanted: Set<String>, _ rules: KeyObjectRules,
    _ examiner: inout some Examiner
  ) throws -> Result<Candidate, BrokenRule> {
    if let fault = examiner.fault(of: annotation) {
      examiner.note(annotation, fault)
      return .failure(BrokenRule(rule: .unusable))
    }
    if annotation.isCrowd { return .failure(BrokenRule(rule: .crowd)) }
    guard wanted.contains(category) else { return .failure(BrokenRule(rule: .category)) }
    let needsBox = rules.choose == .central
    var (area, box) = (annotation.area, annotation.boundingBox)
    if area == nil || needsBox && box == nil {
      guard let measures = try examiner.measures(of: annotation, size) else {
        return .failure(BrokenRule(rule: .unusable))
      }
      (area, box) = (area ?? measures.area, box ?? measures.box)
    }
    let share = (area ?? 0) / (Double(size.width) * Double(size.height))
    if share < rules.minArea { return .failure(BrokenRule(rule: .tooSmall)) }
    if share > rules.maxArea { return .failure(BrokenRule(rule: .tooLarge)) }
    return .success(
      Candidate(annotation: annotation, category: category, area: area ?? 0, box: needsBox ? box : nil))
  }

  /// The best first; among equals the lower id.
  private static func ordered(
    _ candidates: [Candidate], in size: ImageSize, mentions: CaptionMentions, choose: KeyObjectRules.Choose
  ) -> [Candidate] {
    let ranked = candidates.map { candidate -> (Candidate, Double, Double) in
      switch choose {
      case .largest: return (candidate, 0, -candidate.area)
      case .mentioned: return (candidate, mentions.mention(candidate.category) ? 0 : 1, -candidate.area)
      case .central: return (candidate, 0, candidate.box?.distanceFromCentre(of: size) ?? .infinity)
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

extension BoundingBox {
  /// From its middle to the image's, in halves of the image's sides.
  fileprivate func distanceFromCentre(of size: ImageSize) -> Double {
    let x = (self.x + width / 2) / Double(size.width) * 2 - 1
    let y = (self.y + height / 2) / Double(size.height) * 2 - 1
    return (x * x + y * y).squareRoot()
  }
}
