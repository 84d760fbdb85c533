/// The threshold that best separates `values` in two classes: the greatest variance between them, over a histogram of
/// 256 equal bins from the least to the greatest value. `values` count as selected at or above it.
///
/// Bins, edges and ties are numpy's (`histogram`, `linspace`, `argmax`). Where all values are equal: that value.
/// - Parameter values: finite, at least one.
/// - Complexity: O(V)
public func otsuThreshold(_ values: [Double], bins: Int = 256) -> Double {
  var least = values[0]
  var greatest = values[0]
  for value in values {
    least = min(least, value)
    greatest = max(greatest, value)
  }
  guard greatest > least else { return least }

  let span = greatest - least
  let step = span / Double(bins)
  var edges = (0...bins).map { step == 0 ? Double($0) / Double(bins) * span + least : Double($0) * step + least }
  edges[bins] = greatest

  var counts = [Int](repeating: 0, count: bins)
  for value in values {
    var bin = min(Int((value - least) / span * Double(bins)), bins - 1)
    // The division may round across an edge; the edges decide.
    if bin > 0, value < edges[bin] {
      bin -= 1
    } else if bin < bins - 1, value >= edges[bin + 1] {
      bin += 1
    }
    counts[bin] += 1
  }

  let centres = (0..<bins).map { (edges[$0] + edges[$0 + 1]) / 2 }
  var moments = 0.0
  for bin in 0..<bins { moments += Double(counts[bin]) * centres[bin] }
  let total = Double(values.count)
  var best = -Double.infinity
  var bestBin = 0
  var weight = 0.0
  var moment = 0.0
  for bin in 0..<bins {
    weight += Double(counts[bin])
    moment += Double(counts[bin]) * centres[bin]
    let distance = moments * weight / total - moment
    var between = distance * distance / (weight * (total - weight))
    if !between.isFinite { between = -1 }
    if between > best {
      best = between
      bestBin = bin
    }
  }
  return edges[bestBin + 1]
}
