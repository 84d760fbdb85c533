import CProductRates

/// What the processor can do at most, with so many threads.
struct Limits: Codable {
  let threads: Int
  /// Operations a second of multiply-adds in registers, by the instructions; those that the processor has.
  let peaks: [String: Double]
  /// Bytes a second that are read from memory.
  private(set) var bandwidth: Double

  init(threads: Int, pool: Pool, seconds: Double) {
    self.threads = threads
    let kinds: [(String, headimpact_peak)] = [
      ("avx2", headimpact_peak_avx2), ("avx512", headimpact_peak_avx512), ("bf16", headimpact_peak_bf16),
      ("portable", headimpact_peak_portable),
    ]
    let rates = kinds.map { ($0.0, headimpact_peak_rate($0.1, Int32(threads), seconds)) }.filter { $0.1 > 0 }
    peaks = Dictionary(uniqueKeysWithValues: rates)
    bandwidth = Self.bandwidth(threads: threads, pool: pool, seconds: seconds)
  }

  /// Bytes a second now: other machines share the host's memory, so it changes within minutes.
  static func bandwidth(threads: Int, pool: Pool, seconds: Double) -> Double {
    headimpact_read_rate(UnsafeRawPointer(pool.wide.base), 4 * pool.count, Int32(threads), seconds)
  }

  /// What a busy moment hides is no limit: the highest bandwidth counts.
  mutating func take(bandwidth: Double) { self.bandwidth = max(self.bandwidth, bandwidth) }

  /// Of float32.
  var float32: Double { peaks.filter { $0.key != "bf16" }.values.max() ?? 0 }
  /// Of bf16's dot products; where there are none, operands of bf16 are multiplied in float32.
  var bfloat16: Double { max(peaks["bf16"] ?? 0, float32) }
}
