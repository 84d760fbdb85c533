/// Calls `body` with the indices of the `count` highest of `scores`; among equals the earlier index first.
///
/// Non-negative floating-point numbers order as their bit patterns do, so the least of the highest is found by fixing its
/// bits from the top, eight at a time (radix selection).
///
/// - Parameters:
///   - count: 0...scores.count
///   - scores: finite, not negative, and exact as Float32 (attention scores are).
/// - Complexity: O(V)
func forEachOfHighest(_ count: Int, of scores: [Double], _ body: (Int) -> Void) {
  precondition((0...scores.count).contains(count))
  guard count > 0 else { return }
  // Adding 0 makes -0 the same as 0.
  let keys = scores.map { Float($0 + 0).bitPattern }
  var least: UInt32 = 0
  var fixed: UInt32 = 0
  var remaining = count
  var histogram = [Int](repeating: 0, count: 256)
  for shift: UInt32 in [24, 16, 8, 0] {
    for i in histogram.indices { histogram[i] = 0 }
    for key in keys where key & fixed == least { histogram[Int(key >> shift & 0xff)] += 1 }
    var byte = 255
    while histogram[byte] < remaining {
      remaining -= histogram[byte]
      byte -= 1
    }
    least |= UInt32(byte) << shift
    fixed |= 0xff << shift
  }
  // `remaining` of those equal to `least` are still wanted: the first ones.
  for (i, key) in keys.enumerated() {
    if key > least {
      body(i)
    } else if key == least, remaining > 0 {
      remaining -= 1
      body(i)
    }
  }
}
