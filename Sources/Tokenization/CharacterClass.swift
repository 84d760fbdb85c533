import CPCRE2

/// Members of Oniguruma's character classes, in PCRE2's language, for use between brackets.
enum CharacterClass {
  /// Oniguruma's `\d`.
  static let digits = members(ofProperty: "Nd")

  /// Oniguruma's `\w`; it counts Latin-1's superscript digits and fractions in.
  static let word =
    #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}"#
    + lateRanges { scalar in
      let category = scalar.properties.generalCategory.abbreviation
      return scalar.properties.isAlphabetic || category.hasPrefix("M") || category == "Nd" || category == "Pc"
    }

  /// PCRE2's name of a property: of one or two letters a general category, else a script or a binary property.
  static func propertyName(_ name: String) -> String {
    let plain = String(name.unicodeScalars.filter { $0 != "_" && $0 != " " && $0 != "-" }).lowercased()
    if let category = longCategoryNames[plain] { return category }
    if plain.unicodeScalars.count <= 2 || binaryProperties.contains(plain) { return name }
    // PCRE2 takes a bare script name for the script extensions; Oniguruma for the script.
    return "sc:\(name)"
  }

  static func members(ofProperty name: String) -> String {
    let name = propertyName(name)
    if name.lowercased() == "sc:han" {
      // What Unicode 15 and 16 added; the standard library can't be asked for scripts.
      return #"\p{sc:Han}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF}"#
    }
    guard name.unicodeScalars.count <= 2 else { return "\\p{\(name)}" }
    let wanted = name.lowercased()
    return "\\p{\(name)}"
      + lateRanges { $0.properties.generalCategory.abbreviation.lowercased().hasPrefix(wanted) }
  }

  private static let longCategoryNames = [
    "letter": "L", "mark": "M", "number": "N", "punctuation": "P", "symbol": "S", "separator": "Z", "other": "C",
    "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm",
    "otherletter": "Lo", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
  ]

  private static let binaryProperties: Set<String> = [
    "any", "alphabetic", "whitespace", "space", "uppercase", "lowercase", "emoji", "ideographic",
    "extendedpictographic",
  ]

  /// Scalars that Unicode got after the PCRE2 of this machine, up to Oniguruma's 16.0.
  private static let lateScalars: [Unicode.Scalar] = {
    var text = [CChar](repeating: 0, count: 64)
    guard pcre2_config_8(UInt32(PCRE2_CONFIG_UNICODE_VERSION), &text) > 0 else { return [] }
    let version = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let numbers = version.split(separator: ".").compactMap { Int($0) }
    guard numbers.count >= 2 else { return [] }
    let known = (numbers[0], numbers[1])
    // The blocks between are full since long: ideographs, Hangul, private use.
    let stretches: [ClosedRange<UInt32>] = [0x80...0x33FF, 0xA000...0xABFF, 0xFB00...0x1FBFF, 0x2A6D0...0x33479]
    return stretches.joined().compactMap(Unicode.Scalar.init).filter { scalar in
      guard let age = scalar.properties.age else { return false }
      return (age.major, age.minor) > known && age.major <= 16
    }
  }()

  private static func lateRanges(where isMember: (Unicode.Scalar) -> Bool) -> String {
    var ranges: [ClosedRange<UInt32>] = []
    for scalar in lateScalars where isMember(scalar) {
      if let last = ranges.last, last.upperBound + 1 == scalar.value {
        ranges[ranges.count - 1] = last.lowerBound...scalar.value
      } else {
        ranges.append(scalar.value...scalar.value)
      }
    }
    return ranges.map { range in
      let first = "\\x{\(String(range.lowerBound, radix: 16))}"
      return range.count == 1 ? first : "\(first)-\\x{\(String(range.upperBound, radix: 16))}"
    }.joined()
  }
}

extension Unicode.GeneralCategory {
  /// The two letters, as `Lu`.
  var abbreviation: String {
    switch self {
    case .uppercaseLetter: "Lu"
    case .lowercaseLetter: "Ll"
    case .titlecaseLetter: "Lt"
    case .modifierLetter: "Lm"
    case .otherLetter: "Lo"
    case .nonspacingMark: "Mn"
    case .spacingMark: "Mc"
    case .enclosingMark: "Me"
    case .decimalNumber: "Nd"
    case .letterNumber: "Nl"
    case .otherNumber: "No"
    case .connectorPunctuation: "Pc"
    case .dashPunctuation: "Pd"
    case .openPunctuation: "Ps"
    case .closePunctuation: "Pe"
    case .initialPunctuation: "Pi"
    case .finalPunctuation: "Pf"
    case .otherPunctuation: "Po"
    case .mathSymbol: "Sm"
    case .currencySymbol: "Sc"
    case .modifierSymbol: "Sk"
    case .otherSymbol: "So"
    case .spaceSeparator: "Zs"
    case .lineSeparator: "Zl"
    case .paragraphSeparator: "Zp"
    case .control: "Cc"
    case .format: "Cf"
    case .surrogate: "Cs"
    case .privateUse: "Co"
    case .unassigned: "Cn"
    @unknown default: "Cn"
    }
  }
}
