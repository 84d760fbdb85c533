import Figures
import HeadImpact

extension AttentionReading {
  /// Every score, as comma-separated values. Word 0 is the average over the text; the others are its words, or its tokens; cells are rectangles of the original
  /// image, in pixels; views count from 0.
  var csv: String {
    var rows = [
      [
        "layer", "head", "word", "text", "visual_token", "view", "view_kind", "x0", "y0", "x1", "y1", "score",
        "in_mask",
      ]
    ]
    let places = views.enumerated().flatMap { index, view in
      [[String]](repeating: ["\(index)", view.kind.rawValue], count: view.tokens)
    }
    for read in heads {
      let head = ["\(read.head.layer)", "\(read.head.head)"]
      for (index, (text, scores)) in zip([""] + pieces.map(\.text), [read.average] + read.pieces).enumerated() {
        for (token, score) in scores.enumerated() {
          let cell = cells[token]
          let inMask = mask.map { $0.isObject[token] ? "1" : "0" } ?? ""
          rows.append(
            head + ["\(index)", text, "\(token)"] + places[token] + [cell.x0, cell.y0, cell.x1, cell.y1].map(CSV.field)
              + [CSV.field(score), inMask])
        }
      }
    }
    return CSV.text(rows)
  }
}
