import Foundation

/// The four Unicode normalisation forms, with alignment.
enum NormalizationForm: String, CaseIterable {
  case nfc = "NFC"
  case nfd = "NFD"
  case nfkc = "NFKC"
  case nfkd = "NFKD"

  var composes: Bool { self == .nfc || self == .nfkc }
  var isCompatibility: Bool { self == .nfkc || self == .nfkd }
}

extension AlignedText {
  /// The text in a normalisation form.
  ///
  /// A scalar that decomposes gives its span to all its parts; composed scalars take the span of the first; scalars
  /// that change places take the spans in the order in which they stand afterwards. That is what the tokenizers
  /// library does.
  func normalized(_ form: NormalizationForm) -> AlignedText {
    // Nothing below U+0300 composes or moves, and below U+00A0 nothing decomposes either.
    let harmless: UInt8 = form == .nfc ? 0xCC : 0xC2
    guard bytes.contains(where: { $0 >= harmless }) else { return self }
    let data = NormalizationData.shared
    var parts: [NormalizedScalar] = []
    parts.reserveCapacity(count)
    var index = 0
    while index < count {
      let (scalar, length) = bytes.scalar(at: index)
      index += length
      let decomposition = data.decomposition(of: scalar, compatibility: form.isCompatibility)
      for (place, part) in decomposition.enumerated() {
        parts.append(NormalizedScalar(scalar: part, class: data.combiningClass(of: part), change: place == 0 ? 0 : 1))
      }
    }
    NormalizedScalar.order(&parts)
    return applying(form.composes ? NormalizedScalar.compose(parts, data) : parts)
  }

  /// Replaces the text by those scalars, which between them account for each scalar of it once.
  private func applying(_ parts: [NormalizedScalar]) -> AlignedText {
    var result = AlignedText()
    result.reserveCapacity(count)
    var next = 0
    for part in parts {
      if part.change > 0 {
        // An addition belongs to the scalar before it.
        result.append(part.scalar, from: next > 0 ? spans[next - 1] : spans[0])
      } else {
        guard next < count else { break }
        result.append(part.scalar, from: spans[next])
        for _ in 0..<(1 - part.change) where next < count { next += utf8Length(leading: bytes[next]) }
      }
    }
    return result
  }
}

/// A scalar of the normalised text and what it does to the text it comes from.
struct NormalizedScalar {
  var scalar: Unicode.Scalar
  /// Canonical combining class; 0 for a starter.
  var `class`: UInt8
  /// 1: added; 0: replaces one scalar; -n: replaces one and swallows the n after it.
  var change: Int

  /// Canonical ordering: each run of marks sorted by class, equals left in order.
  static func order(_ parts: inout [NormalizedScalar]) {
    var start = 0
    while start < parts.count {
      guard parts[start].class != 0 else {
        start += 1
        continue
      }
      var end = start + 1
      while end < parts.count, parts[end].class != 0 { end += 1 }
      if end - start > 1 {
        // Sorted with the place as second key: the standard library doesn't promise a stable sort.
        let sorted = parts[start..<end].enumerated().sorted {
          ($0.element.class, $0.offset) < ($1.element.class, $1.offset)
        }
        parts.replaceSubrange(start..<end, with: sorted.map(\.element))
      }
      start = end
    }
  }

  /// Canonical composition (Unicode standard, 3.11, D117) of ordered parts.
  static func compose(_ parts: [NormalizedScalar], _ data: NormalizationData) -> [NormalizedScalar] {
    var result: [NormalizedScalar] = []
    result.reserveCapacity(parts.count)
    var starter: Int?
    var lastClass: UInt8?
    for part in parts {
      if let place = starter, lastClass == nil || (lastClass ?? 0) < part.class,
        let composed = data.composition(of: result[place].scalar, part.scalar)
      {
        result[place].scalar = composed
        result[place].change += part.change - 1
        continue
      }
      if part.class == 0 {
        starter = result.count
        lastClass = nil
      } else {
        lastClass = part.class
      }
      result.append(part)
    }
    return result
  }
}

/// Decompositions, compositions and combining classes, as the tokenizers library knows them.
///
/// It uses Unicode 9.0 here: what came later neither decomposes nor combines. Data of characters once assigned never
/// change (the Unicode stability policy), so Foundation's of any version, cut off at 9.0, are the same.
struct NormalizationData: Sendable {
  static let shared = NormalizationData()

  /// The stretches that hold every scalar of Unicode 9.0 that decomposes, bar Hangul, which is arithmetic.
  private static let stretches: [ClosedRange<UInt32>] = [
    0xA0...0x33FF, 0xA640...0xABFF, 0xF900...0xFFFF, 0x11000...0x119FF, 0x1D100...0x1D7FF, 0x1EE00...0x1EEFF,
    0x1F100...0x1F2FF, 0x2F800...0x2FA1F,
  ]

  private struct Pair: Hashable {
    let first: Unicode.Scalar
    let second: Unicode.Scalar
  }

  private var canonical: [Unicode.Scalar: [Unicode.Scalar]] = [:]
  private var compatible: [Unicode.Scalar: [Unicode.Scalar]] = [:]
  private var compositions: [Pair: Unicode.Scalar] = [:]

  private init() {
    for scalar in Self.stretches.joined().lazy.compactMap(Unicode.Scalar.init) where Self.isKnown(scalar) {
      let itself = String(scalar)
      let parts = Array(itself.decomposedStringWithCanonicalMapping.unicodeScalars)
      let compatibleParts = Array(itself.decomposedStringWithCompatibilityMapping.unicodeScalars)
      if compatibleParts != [scalar] { compatible[scalar] = compatibleParts }
      guard parts != [scalar] else { continue }
      canonical[scalar] = parts
      // A primary composite is one that composes again from its parts; its first part is all but the last, composed.
      guard parts.count > 1, let last = parts.last,
        Array(itself.precomposedStringWithCanonicalMapping.unicodeScalars) == [scalar]
      else { continue }
      var head = String.UnicodeScalarView()
      head.append(contentsOf: parts.dropLast())
      let first = Array(String(head).precomposedStringWithCanonicalMapping.unicodeScalars)
      if first.count == 1 { compositions[Pair(first: first[0], second: last)] = scalar }
    }
  }

  private static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
    guard let age = scalar.properties.age else { return false }
    return age.major <= 9
  }

  func combiningClass(of scalar: Unicode.Scalar) -> UInt8 {
    guard scalar.value >= 0x300 else { return 0 }
    let combining = scalar.properties.canonicalCombiningClass.rawValue
    return combining == 0 || Self.isKnown(scalar) ? combining : 0
  }

  // Hangul (Unicode standard, 3.12): 19 leading consonants, 21 vowels, 27 trailing consonants and none.
  private static let syllables: UInt32 = 0xAC00
  private static let leads: UInt32 = 0x1100
  private static let vowels: UInt32 = 0x1161
  private static let trails: UInt32 = 0x11A7

  func decomposition(of scalar: Unicode.Scalar, compatibility: Bool) -> [Unicode.Scalar] {
    let value = scalar.value
    guard value >= 0xA0 else { return [scalar] }
    if Self.syllables..<(Self.syllables + 11172) ~= value {
      let index = value - Self.syllables
      var jamo = [Self.leads + index / 588, Self.vowels + index % 588 / 28]
      if index % 28 != 0 { jamo.append(Self.trails + index % 28) }
      return jamo.compactMap(Unicode.Scalar.init)
    }
    return (compatibility ? compatible[scalar] : canonical[scalar]) ?? [scalar]
  }

  func composition(of first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
    if Self.leads..<(Self.leads + 19) ~= first.value, Self.vowels..<(Self.vowels + 21) ~= second.value {
      return Unicode.Scalar(
        Self.syllables + ((first.value - Self.leads) * 21 + second.value - Self.vowels) * 28)
    }
    if Self.syllables..<(Self.syllables + 11172) ~= first.value, (first.value - Self.syllables) % 28 == 0,
      (Self.trails + 1)..<(Self.trails + 28) ~= second.value
    {
      return Unicode.Scalar(first.value + second.value - Self.trails)
    }
    return compositions[Pair(first: first, second: second)]
  }
}
