/// Kendall's tau-b: how much two rankings of the same things agree, from -1 (reversed) to 1 (the same); ties count for
/// neither side. NaN if one of the two has all values equal, or there are fewer than two.
///
/// - Parameters:
///   - x: finite numbers; so too y, as many.
/// - Complexity: O(n log n), after Knight, "A computer method for calculating Kendall's tau with ungrouped data"
///   (1966).
func kendallTau(_ x: [Double], _ y: [Double]) -> Double {
  precondition(x.count == y.count)
  let order = x.indices.sorted { (x[$0], y[$0]) < (x[$1], y[$1]) }
  var sorted = order.map { y[$0] }
  let tiedInBoth = pairs(order.map { (x[$0], y[$0]) }, areEqual: ==)
  let tiedInX = pairs(order.map { x[$0] }, areEqual: ==)
  let discordant = sort(&sorted)
  let tiedInY = pairs(sorted, areEqual: ==)
  let all = x.count * (x.count - 1) / 2
  let concordant = all - discordant - tiedInX - tiedInY + tiedInBoth
  return Double(concordant - discordant) / (Double(all - tiedInX) * Double(all - tiedInY)).squareRoot()
}

/// How many pairs of equal values a sorted list has.
private func pairs<Value>(_ sorted: [Value], areEqual: (Value, Value) -> Bool) -> Int {
  var count = 0
  var run = 0
  for index in sorted.indices.dropFirst() {
    run = areEqual(sorted[index - 1], sorted[index]) ? run + 1 : 0
    count += run
  }
  return count
}

/// Sorts by merging, and counts the pairs that were in the wrong order.
private func sort(_ values: inout [Double]) -> Int {
  var swaps = 0
  var width = 1
  var merged = values
  while width < values.count {
    for start in stride(from: 0, to: values.count, by: 2 * width) {
      let middle = min(start + width, values.count)
      let end = min(start + 2 * width, values.count)
      var (left, right) = (start, middle)
      for place in start..<end {
        if left < middle, right >= end || values[left] <= values[right] {
          merged[place] = values[left]
          left += 1
        } else {
          merged[place] = values[right]
          right += 1
          swaps += middle - left
        }
      }
    }
    swap(&values, &merged)
    width *= 2
  }
  return swaps
}
