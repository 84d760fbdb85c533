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
    /// The size of an image for which the file states none; nil if the image can't be used.
    mutating func size(of image: ImageRecord) throws -> ImageSize?
    /// The area and the box of an object for which the file lacks one of them; nil if its outline can't be
    /// drawn.
    mutating func measures(of annotation: Annotation, _ size: ImageSize) throws -> Measures?
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

  /// - Parameters:
  ///   - captions: of the same images; nil if there are none.
  /// - Throws: what `examiner` throws.
  init(
    _ instances: KeyObjectDataset, captions: KeyObjectDataset?, rules: KeyObjectRules, examiner: inout some Examiner
  ) throws {
    if instances.problems.lostSamples > 0 { leftOut[.unreadable] = instances.problems.lostSamples }
    let byImage = Dictionary(grouping: instances.annotations, by: \.imageID)
    let said = Dictionary(grouping: captions?.annotationsByID() ?? [], by: \.imageID)
    let wanted = Set(rules.categories)
    for image in instances.images {
      let annotations = byImage[image.id] ?? []
      guard !annotations.isEmpty else { continue }
      guard let size = try image.size ?? examiner.size(of: image) else {
        leftOut[.unusable, default: 0] += annotations.count
        continue
      }
      var candidates: [Candidate] = []
      var present: [String: Int] = [:]
      for annotation in annotations {
        let category = annotation.categoryID.flatMap(instances.category)?.name ?? ""
        present[category, default: 0] += 1
        switch try Self.candidate(annotation, category, of: instances, size, wanted: wanted, rules, &examiner) {
        case .success(let candidate): candidates.append(candidate)
        case .failure(let broken): leftOut[broken.rule, default: 0] += 1
        }
      }
      guard !candidates.isEmpty else { continue }
      let mentions = CaptionMentions((said[image.id] ?? []).map { ($0.id, $0.caption ?? "") }, present: present)
      candidates = Self.ordered(candidates, in: size, mentions: mentions, choose: rules.choose)
      var taken = 0
      for candidate in candidates {
        guard taken < rules.perImage else {
          leftOut[.perImage, default: 0] += 1
          continue
        }
        switch try examiner.usability(of: candidate.annotation, in: image, size) {
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
  }

  private struct BrokenRule: Error {
    let rule: Rule
  }

  private static func candidate(
    _ annotation: Annotation, _ category: String, of instances: KeyObjectDataset, _ size: ImageSize,
    wanted: Set<String>, _ rules: KeyObjectRules, _ examiner: inout some Examiner
  ) throws -> Result<Candidate, BrokenRule> {
    if let fault = instances.fault(of: annotation, .isCrowd) ?? instances.fault(of: annotation, .categoryID) {
      examiner.note(annotation, fault)
      return .failure(BrokenRule(rule: .unusable))
    }
    if annotation.isCrowd { return .failure(BrokenRule(rule: .crowd)) }
    if category.isEmpty || !wanted.isEmpty && !wanted.contains(category) {
      return .failure(BrokenRule(rule: .category))
    }
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
