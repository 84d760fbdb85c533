import CVectorMath

/// Adds x to sums in fixed point, 2^-72 apart: `high` counts 2^-32, `low` the rest. Sums of integers are exact, whatever
/// their order.
///
/// - Shape: x, high, low [count].
/// - Parameter limit: 2^30 / k where up to k numbers are added to one: then no sum overflows.
/// - Returns: whether all x were finite and below the limit; those that are not are left out.
public func addExactly(
  _ x: UnsafePointer<Float>, limit: Float, high: UnsafeMutablePointer<Int64>, low: UnsafeMutablePointer<Int64>,
  count: Int
) -> Bool {
  headimpact_add_exactly(x, limit, high, low, count) == 0
}
