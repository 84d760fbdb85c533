/// Cuts captions into words as coco-caption does: Stanford CoreNLP 3.4.1's PTBTokenizer with `-preserveLines
/// -lowerCase`, then without punctuation.
///
/// Words are numbers, which are stable within one tokenizer.
struct PTBTokenizer: Sendable {
  /// Every token seen.
  private var vocabulary = ByteTable()
  /// Plain words seen, with the tokens that each becomes.
  private var plain = ByteTable()
  private var plainTokens: [[Int32]] = []
  /// The words of tokens that have a space in them.
  private(set) var wordsOfSpaced: [Int32: [Int32]] = [:]

  /// What coco-caption drops. Its list has `-LRB-` and the like too, which tokens in lower case never are.
  private static let punctuation: Set<[UInt8]> = Set(
    ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"].map { Array($0.utf8) })

  /// The text of a token.
  func text(of token: Int32) -> String { String(decoding: vocabulary[token], as: UTF8.self) }

  /// What of a token that spans captions belongs to the next ones: as written, and as bytes of the caption.
  private var spilled: [(written: [UInt8], count: Int)] = []
  /// Whether the last token of all was kept.
  private var keepsLast = false

  /// Appends the tokens of a caption. Call it for each in turn.
  ///
  /// - Parameter captions: in the order in which coco-caption hands them to the tokenizer, as one file. The first word of the next
  ///   one decides whether "plan b." ends in "b" or in "b."; and a tag's quoted value may end in a later one.
  mutating func append(_ captions: [String], _ index: Int, to tokens: inout [Int32]) {
    var text = Self.line(captions[index])
    let end = text.count
    let scratch = AnchoredPattern.Scratch()
    let extended = Self.isTagOpen(in: text, scratch) ? Self.extended(text, captions, index, scratch) : nil
    // Only a full stop may depend on what follows.
    let longer = Self.endsWithStop(captions[index]) ? text + Self.beginning(after: index, of: captions, scratch) : text
    text = extended.map { $0.count >= longer.count ? $0 : longer } ?? longer
    text.append(UInt8(ascii: "\n"))
    let first = tokens.count
    keepsLast = false
    var position = 0
    if !spilled.isEmpty {
      let spill = spilled.removeFirst()
      append(spill.written, &tokens)
      position = spill.count
    }
    text.withUnsafeBufferPointer { text in
      while position < end {
        let byte = text[position]
        if byte == UInt8(ascii: " ") {
          position += 1
          while text[position] == 0xc2, text[position + 1] == 0xa0 { position += 2 }  // hard spaces go with it
        } else if let chunk = plainChunk(text, position, end) {
          let (number, isNew) = plain.number(of: UnsafeBufferPointer(rebasing: text[position..<chunk]))
          if isNew { plainTokens.append(scanned(text, position..<chunk, scratch)) }
          tokens += plainTokens[Int(number)]
          keepsLast = text[chunk - 1] != UInt8(ascii: ",") && text[chunk - 1] != UInt8(ascii: ".")
          position = chunk
        } else {
          position = scan(text, position, end, scratch, &tokens)
        }
      }
    }
    trimEnd(of: &tokens, from: first)
  }

  /// A caption as a line of the tokenizer's file. A line end would be one to the tokenizer too. coco-caption makes spaces
  /// of \n; after others it takes the rest of the caption for the next one.
  private static func line(_ caption: String) -> [UInt8] {
    var text = Array(caption.utf8)
    for (i, byte) in text.enumerated() where (0x0a...0x0d).contains(byte) { text[i] = UInt8(ascii: " ") }
    return text
  }

  // MARK: Tags over several captions

  private static func isTagOpen(in line: [UInt8], _ scratch: AnchoredPattern.Scratch) -> Bool {
    line.contains(UInt8(ascii: "<")) && openTag(in: line, to: line.count, scratch) != nil
  }

  /// Where a tag begins before `limit` that the end of the text leaves within a quoted value; and its quote.
  private static func openTag(
    in text: [UInt8], to limit: Int, _ scratch: AnchoredPattern.Scratch
  ) -> (start: Int, quote: UInt8)? {
    text.withUnsafeBufferPointer { bytes in
      for start in 0..<limit where bytes[start] == UInt8(ascii: "<") {
        guard PTBRules.openTag.match(bytes, at: start, scratch) != nil else { continue }
        // Quotes come in pairs up to the open one.
        var quote: UInt8?
        for byte in bytes[start...] where byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
          quote = quote == nil ? byte : quote == byte ? nil : quote
        }
        if let quote { return (start, quote) }
      }
      return nil
    }
  }

  private static func endsWithStop(_ caption: String) -> Bool {
    caption.unicodeScalars.last { !isSpace($0) } == "."
  }

  /// How the captions after one begin: up to a word or a tag, which may decide about a full stop.
  private static func beginning(
    after index: Int, of captions: [String], _ scratch: AnchoredPattern.Scratch
  ) -> [UInt8] {
    var text: [UInt8] = []
    for next in captions.indices.dropFirst(index + 1).prefix(mostSpanned) {
      let line = line(captions[next])
      text.append(UInt8(ascii: "\n"))
      let rest = String(decoding: line, as: UTF8.self).unicodeScalars.drop(while: isSpace).flatMap {
        Array(String($0).utf8)
      }
      guard let first = rest.first else { continue }
      if first == UInt8(ascii: "<") { return text + extended(line, captions, next, scratch) }
      // A character that is cut in two is not one of the letters that matter.
      return text + String(decoding: line.prefix(line.count - rest.count + 16), as: UTF8.self).utf8
    }
    return text
  }

  /// More captions than this are not read for the end of one tag.
  private static let mostSpanned = 10_000

  /// A caption with those after it in which the tags that it leaves open may end.
  private static func extended(
    _ line: [UInt8], _ captions: [String], _ index: Int, _ scratch: AnchoredPattern.Scratch
  ) -> [UInt8] {
    var text = line
    var next = index + 1
    while next < captions.count, next - index < mostSpanned, let open = openTag(in: text, to: line.count, scratch) {
      var isClosed = false
      while !isClosed, next < captions.count, next - index < mostSpanned {
        let following = Self.line(captions[next])
        isClosed = following.contains(open.quote)
        text.append(UInt8(ascii: "\n"))
        text += following
        next += 1
      }
      if !isClosed { break }
    }
    return text
  }

  /// Takes the spaces from a caption's end: coco-caption strips each line, of all that Python calls a space.
  private mutating func trimEnd(of tokens: inout [Int32], from first: Int) {
    while keepsLast, tokens.count > first, let last = tokens.last {
      let text = String(decoding: vocabulary[last], as: UTF8.self).unicodeScalars
      guard let end = text.last, Self.isSpace(end) else { return }
      tokens.removeLast()
      let rest = text.reversed().drop(while: Self.isSpace).reversed()
      if !rest.isEmpty { append(Array(String(String.UnicodeScalarView(rest)).utf8), &tokens) }
    }
  }

  /// What Python's str.split() and str.rstrip() take for a space.
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
  }

  /// The end of a run of letters, hyphens and apostrophes between spaces: what follows it doesn't matter to its tokens.
  private func plainChunk(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int? {
    let before = start == 0 ? UInt8(ascii: " ") : text[start - 1]
    guard before == UInt8(ascii: " "), Self.isLetter(text[start]) else { return nil }
    var (at, hasApostrophe) = (start, false)
    while at < end, Self.isLetter(text[at]) || text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "'") {
      hasApostrophe = hasApostrophe || text[at] == UInt8(ascii: "'")
      at += 1
    }
    if at == end || text[at] == UInt8(ascii: " ") { return at }
    // A comma, or a longer word's last full stop: "b." and "no." depend on the next caption.
    let isLast = at + 1 == end
    let endsWithComma = text[at] == UInt8(ascii: ",") && (isLast || text[at + 1] == UInt8(ascii: " "))
    let endsWithStop = text[at] == UInt8(ascii: ".") && isLast && at - start > 4
    return !hasApostrophe && (endsWithComma || endsWithStop) ? at + 1 : nil
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }

  private mutating func scanned(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ scratch: AnchoredPattern.Scratch
  ) -> [Int32] {
    var tokens: [Int32] = []
    var position = range.lowerBound
    while position < range.upperBound { position = scan(text, position, range.upperBound, scratch, &tokens) }
    return tokens
  }

  /// Appends the token that begins at a position, if one does, and skips it.
  private mutating func scan(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, _ scratch: AnchoredPattern.Scratch,
    _ tokens: inout [Int32]
  ) -> Int {
    var (best, tokenEnd, length) = (-1, start, 0)
    let rules = PTBRules.byFirstByte[Int(text[start])]
    for i in rules.indices {
      guard let match = rules[i].pattern.match(text, at: start, scratch), match.end <= end || rules[i].spansLines,
        match.end > start, match.length > length
      else { continue }
      (best, tokenEnd, length) = (i, match.end, match.length)
    }
    guard best >= 0 else { return start + max(1, (~text[start]).leadingZeroBitCount) }
    let token = text[start..<tokenEnd]
    if tokenEnd <= end {
      append(rules[best].written(token), &tokens)
    } else {
      let lines = token.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      append(rules[best].written(lines[0]), &tokens)
      spilled = lines.dropFirst().map { (rules[best].written($0), $0.count) }
    }
    return tokenEnd
  }

  private mutating func append(_ written: [UInt8], _ tokens: inout [Int32]) {
    let lowered =
      written.contains { $0 >= 0x80 }
      ? Array(String(decoding: written, as: UTF8.self).lowercased().utf8)
      : written.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    guard !lowered.isEmpty else { return }
    keepsLast = !Self.punctuation.contains(lowered)
    guard keepsLast else { return }
    let (token, isNew) = lowered.withUnsafeBufferPointer { vocabulary.number(of: $0) }
    if isNew { rememberWords(of: token, String(decoding: lowered, as: UTF8.self).unicodeScalars) }
    tokens.append(token)
  }

  /// BLEU and CIDEr split captions at every space, ROUGE-L at plain ones. A token with a space inside has others.
  private mutating func rememberWords(of token: Int32, _ text: String.UnicodeScalarView) {
    guard text.contains(where: Self.isSpace) else { return }
    let words = text.split(whereSeparator: Self.isSpace).map { Array(String($0).utf8) }
    wordsOfSpaced[token] = words.map { word in word.withUnsafeBufferPointer { vocabulary.number(of: $0).number } }
  }
}
