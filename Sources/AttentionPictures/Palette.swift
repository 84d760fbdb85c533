import Foundation

/// Colours for shares from 0 to 1: from dark blue over green to light yellow, lightness rising evenly, so that equal steps
/// look equal and the colour-blind read it too.
enum Palette {
  /// Red, green and blue in [0, 1].
  static func colour(_ share: Double) -> SIMD3<Double> {
    let t = min(max(share, 0), 1)
    let hue = (290 - 190 * t) * .pi / 180
    // As much as a screen can show.
    let chroma = 0.085 + 0.065 * t * t * t
    return oklab(lightness: 0.24 + 0.70 * t, a: chroma * cos(hue), b: chroma * sin(hue))
  }

  /// From Oklab, in which distances are as far as they look (Björn Ottosson, "A perceptual color space for image
  /// processing", 2020).
  private static func oklab(lightness: Double, a: Double, b: Double) -> SIMD3<Double> {
    func cubed(_ x: Double) -> Double { x * x * x }
    let l = cubed(lightness + 0.3963377774 * a + 0.2158037573 * b)
    let m = cubed(lightness - 0.1055613458 * a - 0.0638541728 * b)
    let s = cubed(lightness - 0.0894841775 * a - 1.2914855480 * b)
    func encoded(_ x: Double) -> Double {
      min(max(x <= 0.0031308 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055, 0), 1)
    }
    return SIMD3(
      encoded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
      encoded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
      encoded(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s))
  }
}
