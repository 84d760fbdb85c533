/// The sum of `values`, added in numpy's order (pairwise, blocks of 128, eight running sums).
///
/// The order matters where a score equals the mean: rows of equal scores are all above, or none is, by the last bit.
/// Source: numpy/_core/src/umath/loops_utils.h.src, `DOUBLE_pairwise_sum`.
func pairwiseSum(_ values: [Double]) -> Double {
  values.withUnsafeBufferPointer { pairwiseSum($0[...]) }
}

private func pairwiseSum(_ values: Slice<UnsafeBufferPointer<Double>>) -> Double {
  let n = values.count
  let base = values.startIndex
  if n < 8 { return values.reduce(0, +) }
  if n > 128 {
    let half = n / 2
    let middle = base + half - half % 8
    return pairwiseSum(values[..<middle]) + pairwiseSum(values[middle...])
  }
  var lanes = SIMD8<Double>()
  for lane in 0..<8 { lanes[lane] = values[base + lane] }
  var i = 8
  while i < n - n % 8 {
    for lane in 0..<8 { lanes[lane] += values[base + i + lane] }
    i += 8
  }
  var sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
  while i < n {
    sum += values[base + i]
    i += 1
  }
  return sum
}
