/// How the 8-bit values of a picture become numbers: rescaled, then normalised channel by channel, as the image processors of
/// Hugging Face transformers do it with NumPy.
public struct PixelNormalization: Sendable, Equatable {
  /// What each of the 256 values becomes. - Shape: [3][256], red, green, blue.
  public let values: [[Float]]

  /// - Parameters:
  ///   - imageMean: red, green, blue.
  ///   - imageStd: red, green, blue.
  ///   - doRescale: false leaves 0 to 255 as they are.
  ///   - doNormalize: false leaves out mean and deviation.
  /// - Throws: `ImageError` naming the key of `preprocessor_config.json` whose value is impossible.
  public init(
    imageMean: [Double], imageStd: [Double], rescaleFactor: Double = 1.0 / 255, doRescale: Bool = true,
    doNormalize: Bool = true
  ) throws {
    guard imageMean.count == 3, imageMean.allSatisfy(\.isFinite) else {
      throw ImageError(problem: "image_mean is \(imageMean): three numbers are needed")
    }
    guard imageStd.count == 3, imageStd.allSatisfy({ $0.isFinite && Float($0) != 0 }) else {
      throw ImageError(problem: "image_std is \(imageStd): three numbers that are not 0 are needed")
    }
    guard rescaleFactor.isFinite else {
      throw ImageError(problem: "rescale_factor is \(rescaleFactor): a finite number is needed")
    }
    values = (0..<3).map { channel in
      (0..<256).map { value in
        // Rescaled in double precision, normalised in single.
        let rescaled = doRescale ? Float(Double(value) * rescaleFactor) : Float(value)
        return doNormalize ? (rescaled - Float(imageMean[channel])) / Float(imageStd[channel]) : rescaled
      }
    }
  }

  /// Pictures cut into square patches, row by row: what a convolution whose stride is its kernel sees. Pixels at the right and
  /// at the bottom that fill no patch are dropped.
  ///
  /// - Shape: [patches of all pictures, 3 · side · side], a patch channel by channel, row by row.
  public func patches(of images: [RGBImage], side: Int) -> [Float] {
    precondition(side > 0)
    let count = images.reduce(0) { $0 + ($1.height / side) * ($1.width / side) }
    return [Float](unsafeUninitializedCapacity: count * 3 * side * side) { result, initialized in
      var at = 0
      for image in images {
        image.pixels.withUnsafeBufferPointer { pixels in
          for top in stride(from: 0, through: image.height - side, by: side) {
            for left in stride(from: 0, through: image.width - side, by: side) {
              for channel in 0..<3 {
                let values = values[channel]
                for y in top..<top + side {
                  var from = (y * image.width + left) * 3 + channel
                  for _ in 0..<side {
                    result[at] = values[Int(pixels[from])]
                    at += 1
                    from += 3
                  }
                }
              }
            }
          }
        }
      }
      initialized = at
    }
  }
}
