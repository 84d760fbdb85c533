import ImageInput

/// A photograph that something is drawn over: attention, an object, the cells of visual tokens.
///
/// Colours are of the sRGB space, with channels in [0, 1].
public struct Photograph: Sendable {
  public let image: RGBImage
  public var size: (width: Int, height: Int) { (image.width, image.height) }

  public init(_ image: RGBImage) { self.image = image }

  /// Brought to a size.
  ///
  /// - Parameter longestSide: in pixels.
  /// - Throws: `ImageError`.
  public init(_ image: RGBImage, longestSide: Int) throws {
    let scale = Double(longestSide) / Double(max(image.width, image.height))
    let width = max(1, Int((Double(image.width) * scale).rounded()))
    let height = max(1, Int((Double(image.height) * scale).rounded()))
    self.image = try resize(image, to: (width: width, height: height), filter: .bicubic, as: .pillow)
  }

  /// A picture of the same size.
  ///
  /// - Parameter colour: of each pixel, counted row by row.
  public func drawn(_ colour: (_ pixel: Int) -> SIMD3<Double>) -> RGBImage {
    let pixels = [UInt8](unsafeUninitializedCapacity: image.pixels.count) { buffer, count in
      for pixel in 0..<image.width * image.height {
        let bytes = SIMD3<Int>(
          (colour(pixel).clamped(lowerBound: .zero, upperBound: .one) * 255), rounding: .toNearestOrAwayFromZero)
        for channel in 0..<3 { buffer[3 * pixel + channel] = UInt8(bytes[channel]) }
      }
      count = image.pixels.count
    }
    return RGBImage(width: image.width, height: image.height, pixels: pixels)
  }

  /// As it was photographed.
  public func colour(_ pixel: Int) -> SIMD3<Double> {
    let at = 3 * pixel
    return SIMD3(Double(image.pixels[at]), Double(image.pixels[at + 1]), Double(image.pixels[at + 2])) / 255
  }

  /// Its brightness (Rec. 601), dimmed by a factor.
  public func grey(_ pixel: Int, dimmed factor: Double = 1) -> SIMD3<Double> {
    let colour = colour(pixel)
    return SIMD3(repeating: factor * (0.299 * colour.x + 0.587 * colour.y + 0.114 * colour.z))
  }

  /// Its colours, most of them washed out, so that other colours can be seen over them.
  public func paled(_ pixel: Int) -> SIMD3<Double> { grey(pixel).veiled(by: colour(pixel), 0.3) }
}

extension SIMD3<Double> {
  /// Of a colour, as a screen shows it.
  public init(_ colour: Colour) {
    self = SIMD3(colour.red, colour.green, colour.blue).clamped(lowerBound: .zero, upperBound: .one)
  }

  /// This colour under a veil of another.
  ///
  /// - Parameter share: of the veil, from 0 (none of it shows) to 1 (nothing else does).
  public func veiled(by colour: SIMD3<Double>, _ share: Double) -> SIMD3<Double> { (1 - share) * self + share * colour }
}
