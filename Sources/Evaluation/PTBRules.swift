/// A kind of token. The rules are what Stanford CoreNLP 3.4.1's PTBTokenizer does, as its answers to some hundred thousand
/// strings show it; no line of it is Stanford's (docs/evaluation.md explains how it was validated).
struct PTBRule: Sendable {
  let pattern: AnchoredPattern
  /// How the token is written.
  let output: Output
  /// Whether the token may go over ends of lines.
  let spansLines: Bool

  enum Output: Sendable {
    case asItIs
    /// With some of its characters in the place of others.
    case replacing([(String, String)])
    case always(String)
  }

  init(_ pattern: String, _ output: Output = .asItIs, spansLines: Bool = false) {
    self.pattern = AnchoredPattern(pattern)
    self.output = output
    self.spansLines = spansLines
  }

  /// A token as it is written, in the case it had.
  func written(_ token: Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
    switch output {
    case .asItIs: return Array(token)
    case .always(let text): return Array(text.utf8)
    case .replacing(let pairs):
      var text: [UInt8] = []
      var rest = token
      while let byte = rest.first {
        if let (old, new) = pairs.first(where: { rest.starts(with: $0.0.utf8) }) {
          text += new.utf8
          rest.removeFirst(old.utf8.count)
        } else {
          text.append(byte)
          rest.removeFirst()
        }
      }
      return text
    }
  }
}

/// The rule with the longest match decides, what must follow the token counted in; of two, the first.
enum PTBRules {
  static let all: [PTBRule] = addresses + words + abbreviations + compounds + numbers + signs

  /// The rules, in their order, whose tokens can begin with each byte.
  static let byFirstByte: [[PTBRule]] = (UInt8.min...UInt8.max).map { byte in
    all.filter { $0.pattern.firstBytes.contains(byte) }
  }

  // MARK: Characters

  /// The scanner's alphabet ends with the basic plane: what lies above it is not a token.
  private static let basic = #"(?![\x{10000}-\x{10ffff}])"#
  private static let space = #"[\s\x{a0}\x{2000}-\x{200a}\x{3000}]"#
  private static let letter = #"(?:\#(basic)\p{L})"#
  private static let digit = #"(?:\#(basic)\p{Nd})"#
  private static let letterOrDigit = #"(?:\#(basic)[\p{L}\p{Nd}])"#
  /// Marks that make a word with letters, but don't begin the part of a compound.
  private static let marks =
    #"\x{2c2}-\x{2c5}\x{2d2}-\x{2df}\x{2e5}-\x{2eb}\x{2ed}\x{2ef}-\x{36f}\x{375}\x{378}\x{379}\x{384}\x{385}\x{3f6}"#
    + #"\x{483}-\x{487}\x{55a}-\x{55f}\x{591}-\x{5bd}\x{5bf}\x{5c1}\x{5c2}\x{5c4}\x{5c5}\x{5c7}\x{615}-\x{61a}"#
    + #"\x{64b}-\x{65e}\x{670}\x{6d6}-\x{6e4}\x{6e7}-\x{6ed}\x{6fd}\x{6fe}\x{70f}\x{711}\x{730}-\x{74c}\x{7a6}-\x{7b0}"#
    + #"\x{7eb}-\x{7f3}\x{900}-\x{903}\x{93c}\x{93e}-\x{94e}\x{951}-\x{955}\x{962}\x{963}\x{981}-\x{983}\x{9bc}"#
    + #"\x{9be}-\x{9c4}\x{9c7}\x{9c8}\x{9cb}-\x{9cd}\x{9d7}\x{9e2}\x{9e3}\x{a01}-\x{a03}\x{a3c}\x{a3e}-\x{a4f}"#
    + #"\x{a81}-\x{a83}\x{abc}\x{abe}-\x{acf}\x{b82}\x{bbe}-\x{bc2}\x{bc6}-\x{bc8}\x{bca}-\x{bcd}\x{c01}-\x{c03}"#
    + #"\x{c3e}-\x{c56}\x{d3e}-\x{d44}\x{d46}-\x{d48}\x{e31}\x{e34}-\x{e3a}\x{e47}-\x{e4e}\x{eb1}\x{eb4}-\x{ebc}"#
    + #"\x{ec8}-\x{ecd}"#
  private static let entity = "&[aeiouAEIOU](?:acute|grave|uml);"
  private static let first = #"(?:\#(letter)|[\#(marks)]|\#(entity))"#
  private static let further = #"(?:\#(letterOrDigit)|[\#(marks)\x{ad}]|\#(entity))"#
  private static let curly = #"(?:[\x{92}\x{2019}]|&apos;)"#
  private static let apostrophe = #"(?:['\x{92}\x{2019}]|&apos;)"#
  /// Apostrophes and opening quotes that stand for them.
  private static let anyApostrophe = #"(?:['`\x{91}\x{92}\x{2018}\x{2019}\x{201b}]|&apos;)"#
  private static let straight = [
    ("\u{92}", "'"), ("\u{2019}", "'"), ("&apos;", "'"), ("\u{91}", "`"), ("\u{2018}", "`"),
  ]
  private static let softHyphen = [("\u{ad}", "")]
  private static let hardSpaces = [(" ", "\u{a0}")]
  private static let round = [("(", "-lrb-"), (")", "-rrb-")]
  private static let brackets =
    round + [
      ("[", "-lsb-"), ("]", "-rsb-"), ("{", "-lcb-"), ("}", "-rcb-"),
    ]

  // MARK: Parts

  private static let word = #"\#(first)\#(further)*(?:[.!?](?:\#(first)|\x{ad})\#(further)*)*"#
  private static let auxiliary = "(?:[mMsSdD]|[rR][eE]|[vV][eE]|[lL][lL])"  // (?i:s) would take a long s too
  /// Part of a compound: letters and digits, or such as O'Neil and l'eau.
  private static let part = "(?:[dDoOlL]\(anyApostrophe)\(letterOrDigit){2,}|\(letterOrDigit)+)"
  private static let compound = #"\#(part)(?:[-_\x{58a}\x{2010}\x{2011}]\#(part))*"#
  /// 10-year-old, U.S.-based, non-U.S.
  private static let dotted =
    #"[A-Za-z0-9][A-Za-z0-9.,\x{ad}]*(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|[A-Za-z0-9\x{ad}]+))+"#
  private static let initials = "[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+"
  private static let name = "[A-Za-z][A-Za-z0-9_:.-]*"
  private static let attribute = #" +\#(name)(?: *= *(?:"[^"]*"|'[^']*'))?"#
  private static let tag =
    #"<(?:[!?][A-Za-z-][^>\r\n]*|\#(name)(?:\#(attribute))* */?|/\#(name)) *>"#
  /// A tag that ends within a quoted value: `<a b="c`.
  static let openTag = AnchoredPattern(
    #"(<\#(name)(?:\#(attribute))* +\#(name) *= *(?:"[^"]*|'[^']*))\z"#)

  private static func any(_ words: String) -> String {
    "(?:" + words.split(separator: " ").joined(separator: "|") + ")"
  }

  // MARK: Rules

  private static let path = #"[^ \t\n\f\r"<>|()]+[^ \t\n\f\r"<>|.!?(){}\x{a0},-]"#
  private static let host =
    #"(?:www\.(?:[^ \t\n\f\r"<>|.!?(){},]+\.)+[a-zA-Z]{2,4}"#
    + #"|(?:[^ \t\n\f\r"`'<>|.!?(){}$,-_]+\.)+(?:com|net|org|edu))"#
  private static let mailbox =
    #"(?:&lt;|<)?[a-zA-Z0-9][^ \t\n\f\r"<>|()\x{a0}{}]*@(?:[^ \t\n\f\r"<>|(){}.\x{a0}]+\.)*[^ \t\n\f\r"<>|(){}.\x{a0}]+"#

  private static let addresses = [
    PTBRule("(\(tag))", .replacing(hardSpaces), spansLines: true),
    PTBRule(#"(https?://[^ \t\n\f\r"<>|(){}]+[^ \t\n\f\r"<>|.!?(){}\x{a0},-])"#),
    PTBRule("(\(host)/\(path))"), PTBRule("(\(host))"),
    PTBRule("(\(mailbox)>?)"), PTBRule("(\(mailbox)&gt;)"),
    PTBRule(#"(#(?:\#(letter)|[\#(marks)\x{ad}])+|@[A-Za-z_][A-Za-z_0-9]*)"#),
  ]

  /// don't is do n't, cannot is can not: the rest of a word that is cut begins the next token.
  private static let words = [
    PTBRule("(\(word))", .replacing(softHyphen)),
    PTBRule("((?i:can(?=not)|gon(?=na)|got(?=ta)|lem(?=me)|gim(?=me)|wan(?=na)))(?i:not|na|ta|me)(?:[^A-Za-z]|\\z)"),
    PTBRule("('[tT])(?i:is|was)"),
    PTBRule("(\(word))\(apostrophe)\(auxiliary)", .replacing(softHyphen)),
    PTBRule(#"([A-Za-z\x{ad}]*[A-MO-Za-mo-z\x{ad}])[nN]\#(anyApostrophe)[tT]"#, .replacing(softHyphen)),
    PTBRule(
      #"('[nN](?=\#(space))|\#(apostrophe)[nN]\#(apostrophe)|\#(curly)[nN]|[lLdDjJ]\#(apostrophe)"#
        + #"|(?i:dunkin|somethin|ol)\#(apostrophe)|\#(apostrophe)(?i:em|till?|cause|twas)|\#(apostrophe)[2-9]0s"#
        + #"|[A-HJ-XZn]\#(anyApostrophe)\#(letter){2,}|[oO]\#(anyApostrophe)[oO]"#
        + #"|\#(letter)+[aeiouyAEIOUY]\#(anyApostrophe)[aeiouA-Z]\#(letter)*"#
        + #"|(?i:cont'd\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l))"#),
    PTBRule("('\(auxiliary))(?:[^A-Za-z]|\\z)"),
    PTBRule("(\(curly)\(auxiliary))", .replacing(straight)),
    PTBRule("([nN]\(anyApostrophe)[tT])(?:[^A-Za-z]|\\z)", .replacing(straight)),
    PTBRule("([yY]\(apostrophe))\(letter)"),
    PTBRule(#"(\#(apostrophe)[0-9]{2})\#(space)"#),
  ]

  private static let titles = any(
    "a adj adm adv alex assoc asst atty ave b brig c capt cf cie cmdr col comdr cpl d dept det dr drs e elec ens f ft g gen "
      + "gov govs h hon i insp invt j jos k l lieut lt m maj messrs mlle mme mr mrs ms msgr mt n natl o p pfc ph pres prof "
      + #"profs pvt q r rep reps rev s sen sens sfc sgt spc st ste supt t treas u v vs w wm x y z ed\.d"#)
  /// Those that may end a sentence.
  private static let endings = any(
    "al ala apr ariz assn aug bhd bldg blvd bros calif co colo conn corp cos ct dak dec esq est etc ext feb fla fri ga inc ind "
      + "intl jan jr jul jun kan kans ky ltd mar md mich minn mo mon mont neb nev nov oct okla penn plc rd rt sep sept seq sq "
      + #"sr sys tel tenn thu thurs tue tues univ va vt wed wis wisc wyo ph\.d"#)
  /// Words that begin a sentence after a single letter and a full stop.
  private static let starters = any(
    "a about according additionally after an as at but earlier he her here however if in it last many more now once one other "
      + #"our she since so some such that the their then there these they this we what when while yet you mr\. ms\."#)

  private static let abbreviations = [
    PTBRule(#"((?i:\#(titles))\.)"#),
    PTBRule(#"((?i:\#(endings))\.)(?:[\s\S]{2})?"#),
    PTBRule(
      #"((?:A(?i:rk|z)|D(?i:el)|I(?i:ll)|L(?i:a)|M(?i:ass|iss)|O(?i:re)|P(?i:a)|T(?i:ex)|W(?i:ash))\.)(?:[\s\S]{2})?"#),
    PTBRule(#"((?:[pP]p?tes?|[pP]p?tys?)\.)(?:[\s\S]{2})?"#),
    PTBRule(#"((?:[aA]rt|[cC]a|[fF]igs?|[nN]os?|[oO]p|[pP]p|[pP]rop)\.)\#(space)?\#(digit)"#),
    PTBRule(#"([mM][ft]g\.)"#),
    PTBRule(#"([A-Za-z])\.\#(space)+(?=[A-Z])(?i:\#(starters))\#(space)"#),
    PTBRule(#"([A-Za-z])\.\#(space)+\#(tag)\#(space)"#),
    PTBRule(#"([A-Za-z](?:\.[A-Za-z])*\.)"#),
    PTBRule(
      #"(\#(letterOrDigit)+(?:\.\#(letterOrDigit)+)*\.(?i:bat|bmp|c|cgi|class|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g"#
        + #"|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip))[\s.?!,]"#),
  ]

  private static let compounds = [
    PTBRule("(\(compound))"), PTBRule("(\(dotted))", .replacing(softHyphen)),
    PTBRule("(\(initials))", .replacing([("&amp;", "&")])),
    PTBRule(#"([A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:\\?/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2})"#),
    // A full stop before another mark stays with its word.
    PTBRule(#"(\#(compound)\.)[,;:]"#), PTBRule(#"(\#(dotted)\.)[,;:]"#), PTBRule(#"(\#(word)\.)[,;:]"#),
    PTBRule(#"(\#(initials)\.)[,;:]"#, .replacing([("&amp;", "&")])),
    PTBRule(#"([cC]\+\+|[cCfF]#)"#),
  ]

  private static let numbers = [
    PTBRule(#"([-+]?\#(digit)*(?:[.:,\x{ad}\x{66b}\x{66c}]\#(digit)+)+|[-+]?\#(digit)+)"#, .replacing(softHyphen)),
    PTBRule(#"((?:\#(digit){1,4}[- \x{a0}])?\#(digit){1,4}(?:\\?/|\x{2044})\#(digit){1,4})"#, .replacing(hardSpaces)),
    PTBRule(
      #"((?:\([0-9]{2,3}\)[ \x{a0}]?|(?:\+\+?)?(?:[0-9]{2,4}[- \x{a0}])?[0-9]{2,4}[- \x{a0}])[0-9]{3,4}[- \x{a0}]?[0-9]{3,5}"#
        + #"|(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5})"#, .replacing(hardSpaces + round)),
    PTBRule("([0-9]{1,2}[-/][0-9]{1,2}[-/][0-9]{2,4})"),
    PTBRule(#"([A-Z]*\$|#)"#),
    PTBRule(
      #"([\x{a2}\x{a3}\x{a4}\x{80}\x{20a0}\x{20ac}])"#,
      .replacing([
        ("\u{a2}", "cents"), ("\u{a3}", "#"), ("\u{a4}", "$"), ("\u{80}", "$"), ("\u{20a0}", "$"), ("\u{20ac}", "$"),
      ])),
    PTBRule(
      #"([\x{bc}-\x{be}\x{2153}\x{2154}])"#,
      .replacing([
        ("\u{bc}", "1/4"), ("\u{bd}", "1/2"), ("\u{be}", "3/4"), ("\u{2153}", "1/3"), ("\u{2154}", "2/3"),
      ])),
  ]

  private static let signs = [
    PTBRule(#"([\s\x{a0}]+)"#, .always("")),
    PTBRule(#"([()\[\]{}])"#, .replacing(brackets)),
    PTBRule(
      #"([<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]])[^A-Za-z0-9]"#, .replacing(round)),
    PTBRule(
      #"([\^x=~<>]\.\[\^x=~<>]|[-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\))"#,
      .replacing(round)),
    PTBRule(#"([\x{96}\x{97}\x{2013}-\x{2015}]|&(?:mdash|ndash|MD);|-{1,4}(?!-))"#, .always("--")),
    PTBRule("(-{5,})"),
    PTBRule(#"(\.{3,5}|(?:\.[ \x{a0}]){2,4}\.|[\x{85}\x{2026}])"#, .always("...")),
    PTBRule("([?!]+)"),
    PTBRule(
      #"(@+|#+|_+|\*+|[\x{b2}\x{b3}\x{b9}\x{2070}\x{2074}-\x{2079}\x{2080}-\x{2089}]+|(?:\\\*){1,3}|<<?|>>?|&#[0-9]+;)"#
    ),
    PTBRule("(&(?:amp|lt|gt);)", .replacing([("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")])),
    PTBRule(#"("|&(?:quot|nbsp|apos);)"#, .always("''")),
    PTBRule(
      #"([`\x{2018}-\x{201f}\x{91}-\x{94}\x{2039}\x{203a}\x{ab}\x{bb}]{1,2}|''?)"#,
      .replacing(
        straight + [
          ("\u{201b}", "`"), ("\u{2039}", "`"), ("\u{203a}", "'"), ("\u{201c}", "``"), ("\u{93}", "``"),
          ("\u{ab}", "``"),
          ("\u{201d}", "''"), ("\u{94}", "''"), ("\u{bb}", "''"),
        ])),
    PTBRule("([.,;:])"),
    PTBRule(
      #"([%=\\^~|/+&\x{a1}\x{a5}-\x{a9}\x{ac}\x{ae}-\x{b1}\x{b4}\x{b6}-\x{b8}\x{bf}\x{d7}\x{f7}\x{37e}\x{387}\x{589}\x{5be}"#
        + #"\x{5c0}\x{5c3}\x{5c6}\x{5f3}\x{5f4}\x{600}-\x{603}\x{606}-\x{60c}\x{614}\x{61b}\x{61e}\x{61f}\x{66a}\x{66d}\x{6d4}"#
        + #"\x{700}-\x{70d}\x{7f6}-\x{7f8}\x{964}\x{965}\x{e3f}\x{e4f}\x{1fbd}\x{2016}\x{2017}\x{2020}-\x{2023}"#
        + #"\x{2030}-\x{2038}\x{203b}\x{203e}-\x{2042}\x{2044}\x{207a}-\x{207e}\x{208a}-\x{208e}\x{20a4}\x{2100}\x{2101}"#
        + #"\x{2103}-\x{2106}\x{2108}\x{2109}\x{2114}\x{2116}-\x{2118}\x{211e}-\x{2123}\x{2125}\x{2127}\x{2129}\x{212e}"#
        + #"\x{213a}\x{213b}\x{2140}-\x{2144}\x{214a}-\x{214d}\x{214f}\x{2155}-\x{215e}\x{2190}-\x{2bff}\x{3001}\x{3002}"#
        + #"\x{3012}\x{30fb}\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff20}\x{ff3b}-\x{ff40}\x{ff5b}-\x{ff65}\x{ffe0}\x{ffe1}\x{ffe5}"#
        + #"\x{ffe6}])"#),
  ]
}
