import Figures
import Foundation
import HeadImpact
import ImageInput

/// What the page's script draws from: the picture's cells, the text's pieces, and maps of attention as numbers.
///
/// A map has a score for each visual token, in 65,535ths of the map's highest. First comes each head's average over the
/// text, then each token's maps of some heads: the chosen ones, and as many of the others as there is room for.
struct PageData: Encodable {
  /// What maps take at most, in bytes of the page.
  static let room = 12 << 20
  /// The photograph in the page. - Units: pixels.
  private static let longestSide = 640

  struct Piece: Encodable {
    let text: String
    let tokens: [Int]
  }

  struct Part: Encodable {
    let name: String
    let tokens: [[Int]]
  }

  /// Of the photograph, in its pixels.
  let size: [Int]
  /// x0, y0, x1, y1 of each visual token's cell, in pixels of the photograph.
  let cells: [Double]
  let parts: [Part]
  /// The visual tokens that the object covers.
  let object: [Int]
  let words: [Piece]
  let tokens: [String]
  let startsWithTokens: Bool
  /// [layer, head] of each head that has an average.
  let heads: [[Int]]
  /// Places among them: those that were asked for.
  let chosen: [Int]
  /// Places among them: those with maps of each token, in the maps' order.
  let detailed: [Int]
  /// IoU of each head; none without a mask.
  let matched: [Double]
  /// The highest score of each map.
  let peaks: [Float]
  /// Little-endian numbers of two bytes, in base64.
  let maps: String
  /// Red, green, blue and opacity of the veil, from no attention to the highest, in 255ths.
  let veil: [[Int]]

  /// A photograph is never enlarged for the page.
  static func longestSide(of image: RGBImage) -> Int { min(longestSide, max(image.width, image.height)) }

  init(_ reading: AttentionReading, size: (width: Int, height: Int), room: Int = Self.room) {
    self.size = [size.width, size.height]
    cells = reading.cells.flatMap { cell in
      [cell.x0, cell.y0, cell.x1, cell.y1].map { ($0 * 100).rounded() / 100 }
    }
    parts = reading.parts.map { part in
      Part(
        name: part.kind == .tile ? "tiles" : "whole image", tokens: part.tokens.map { [$0.lowerBound, $0.upperBound] })
    }
    object = reading.mask.map { mask in mask.isObject.indices.filter { mask.isObject[$0] } } ?? []
    words = reading.words.map { Piece(text: $0.text, tokens: $0.tokens) }
    tokens = Word.tokens(reading.tokens).map(\.text)
    startsWithTokens = reading.piece == .token

    // Base64 has four bytes for three.
    let mapBytes = max(1, (reading.cells.count * 2 * 4 + 2) / 3)
    let asked = reading.heads.map(\.head)
    let holdsAll = reading.layers * reading.headsPerLayer * mapBytes <= room / 2
    let heads = holdsAll ? reading.allHeads : Array(asked.prefix(max(1, room / 2 / mapBytes)))
    let places = Dictionary(uniqueKeysWithValues: heads.enumerated().map { ($1, $0) })
    chosen = asked.compactMap { places[$0] }
    let fitting = (room - heads.count * mapBytes) / (mapBytes * max(1, tokens.count))
    let isChosen = Set(chosen)
    detailed = Array((chosen + heads.indices.filter { !isChosen.contains($0) }).prefix(max(0, fitting)))
    self.heads = heads.map { [$0.layer, $0.head] }
    let perLayer = reading.headsPerLayer
    matched =
      reading.matched.map { all in
        heads.map { (all[$0.layer * perLayer + $0.head] * 1e4).rounded() / 1e4 }
      } ?? []

    var (peaks, bytes): ([Float], [UInt8]) = ([], [])
    func add(_ scores: [Float]) {
      let peak = max(scores.max() ?? 0, 0)
      peaks.append(peak)
      for score in scores {
        let share = UInt16((peak > 0 ? max(score, 0) / peak * 65_535 : 0).rounded())
        bytes += [UInt8(share & 255), UInt8(share >> 8)]
      }
    }
    for head in heads { add(reading.scores(of: head, over: reading.tokens.indices)) }
    for head in detailed.map({ heads[$0] }) {
      for token in reading.tokens.indices { add(reading.scores(of: head, over: [token])) }
    }
    self.peaks = peaks
    maps = Data(bytes).base64EncodedString()
    veil = (0...64).map { step in
      let share = Double(step) / 64
      return Palette.heat.colour(at: share).bytes.map(Int.init) + [Int((AttentionVeil.opacity(share) * 255).rounded())]
    }
  }

  /// As a page's script element may hold it.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self).replacing("<", with: "\\u003c")
  }
}
