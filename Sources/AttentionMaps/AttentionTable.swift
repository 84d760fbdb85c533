import HeadImpact

extension AttentionReading {
  /// Every score, as comma-separated values (RFC 4180, lines ended by a line feed). Word 0 is the average over the
  /// description; cells are rectangles of the original image, in pixels.
  var csv: String {
    var lines = ["layer,head,word,text,visual_token,x0,y0,x1,y1,score,in_mask"]
    for read in heads {
      for (index, (text, scores)) in zip([""] + words.map(\.text), [read.average] + read.words).enumerated() {
        for (token, score) in scores.enumerated() {
          let cell = cells[token]
          let place = [cell.x0, cell.y0, cell.x1, cell.y1].map { "\($0)" }.joined(separator: ",")
          let inMask = mask.map { $0.isObject[token] ? "1" : "0" } ?? ""
          lines.append(
            "\(read.head.layer),\(read.head.head),\(index),\(Self.quoted(text)),\(token),\(place),\(score),\(inMask)")
        }
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func quoted(_ text: String) -> String {
    guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}
