import Foundation

/// Attention over a photograph as a coloured veil: where there is none, the photograph is seen as it is, and the higher it
/// is, the less of the photograph shows through.
public enum AttentionVeil {
  /// From 0, where there is no attention, to nearly 1.
  ///
  /// - Parameter share: of the highest score of the scale.
  public static func opacity(_ share: Double) -> Double { 0.9 * pow(min(max(share, 0), 1), 1.25) }

  /// A photograph's colour under the veil.
  public static func colour(_ share: Double, over under: SIMD3<Double>) -> SIMD3<Double> {
    under.veiled(by: SIMD3(Palette.heat.colour(at: share)), opacity(share))
  }
}
