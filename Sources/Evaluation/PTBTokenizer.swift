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

  /// Appends a caption's tokens.
  ///
  /// - Parameter next: the caption that coco-caption hands to the tokenizer after this one. Its first word decides
  ///   whether "plan b." ends in "b" or in "b.".
  mutating func append(_ caption: String, before next: String?, to tokens: inout [Int32]) {
    var text = Array(caption.utf8)
    // A line end would be one to the tokenizer too. coco-caption makes spaces of \n; after others it takes the rest of
    // the caption for the next one.
    for (i, byte) in text.enumerated() where (0x0a...0x0d).contains(byte) { text[i] = UInt8(ascii: " ") }
    let end = text.count
    text.append(UInt8(ascii: "\n"))
    // Only a full stop may depend on what follows; a character that is cut in two is not one of the letters that
    // matter.
    if text[end > 0 ? end - 1 : 0] == UInt8(ascii: "."), let next {
      text += String(decoding: next.utf8.prefix(16), as: UTF8.self).utf8
    }
    text.append(UInt8(ascii: "\n"))
    let scratch = AnchoredPattern.Scratch()
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < end {
        let byte = text[position]
        if byte == UInt8(ascii: " ") {
          position += 1
          while text[position] == 0xc2, text[position + 1] == 0xa0 { position += 2 }  // hard spaces go with it
        } else if let chunk = plainChunk(text, position, end) {
          let (number, isNew) = plain.number(of: UnsafeBufferPointer(rebasing: text[position..<chunk]))
          if isNew { plainTokens.append(scanned(text, position..<chunk, scratch)) }
          tokens += plainTokens[Int(number)]
          position = chunk
        } else {
          position = scan(text, position, end, scratch, &tokens)
        }
      }
    }
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
      guard let match = rules[i].pattern.match(text, at: start, scratch), match.end <= end, match.end > start,
        match.length > length
      else { continue }
      (best, tokenEnd, length) = (i, match.end, match.length)
    }
    guard best >= 0 else { return start + max(1, (~text[start]).leadingZeroBitCount) }
    append(rules[best].written(text[start..<tokenEnd]), &tokens)
    return tokenEnd
  }

  private mutating func append(_ written: [UInt8], _ tokens: inout [Int32]) {
    let lowered =
      written.contains { $0 >= 0x80 }
      ? Array(String(decoding: written, as: UTF8.self).lowercased().utf8)
      : written.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    guard !lowered.isEmpty, !Self.punctuation.contains(lowered) else { return }
    let (token, isNew) = lowered.withUnsafeBufferPointer { vocabulary.number(of: $0) }
    if isNew, lowered.contains(0xa0) { rememberWords(of: token, lowered) }
    tokens.append(token)
  }

  /// BLEU and CIDEr split captions at every space, ROUGE-L at plain ones. A token with a space inside has hard ones.
  private mutating func rememberWords(of token: Int32, _ text: [UInt8]) {
    let words = String(decoding: text, as: UTF8.self).split(separator: "\u{a0}").map { Array($0.utf8) }
    wordsOfSpaced[token] = words.map { word in word.withUnsafeBufferPointer { vocabulary.number(of: $0).number } }
  }
}
