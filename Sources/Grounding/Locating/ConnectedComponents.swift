/// Parts of a set of pixels that hang together: pixels that share a side are neighbours.
enum ConnectedComponents {
  /// The part with the most pixels; of equal ones the one whose first pixel, row by row, comes first.
  ///
  /// - Parameter pixels: [height, width], row by row.
  /// - Returns: the same with the other parts left out.
  static func largest(of pixels: [Bool], width: Int) -> [Bool] {
    // 0 where a pixel isn't set or not yet seen.
    var labels = [Int32](repeating: 0, count: pixels.count)
    var (last, best, most) = (Int32(0), Int32(0), 0)
    var waiting: [Int] = []
    for start in pixels.indices where pixels[start] && labels[start] == 0 {
      last += 1
      labels[start] = last
      waiting.append(start)
      var size = 0
      while let pixel = waiting.popLast() {
        size += 1
        let column = pixel % width
        func visit(_ other: Int) {
          guard pixels[other], labels[other] == 0 else { return }
          labels[other] = last
          waiting.append(other)
        }
        if column > 0 { visit(pixel - 1) }
        if column + 1 < width { visit(pixel + 1) }
        if pixel >= width { visit(pixel - width) }
        if pixel + width < pixels.count { visit(pixel + width) }
      }
      if size > most { (best, most) = (last, size) }
    }
    return labels.map { $0 == best && best > 0 }
  }
}
