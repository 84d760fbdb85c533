import CTurboJPEG

/// Decodes with libjpeg-turbo's defaults, which are Pillow's: the accurate integer transform, smooth chroma upsampling.
func decodeJPEG(_ bytes: [UInt8], named name: String) throws -> RGBImage {
  guard let decoder = tjInitDecompress() else {
    throw ImageInputError(file: name, reason: "can't be decoded: libjpeg-turbo does not start")
  }
  defer { tjDestroy(decoder) }
  func failure() -> ImageInputError {
    ImageInputError(file: name, reason: "is a broken JPEG: \(tjGetErrorStr2(decoder).map { String(cString: $0) } ?? "")")
  }

  var (width, height, subsampling, colourSpace): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
  guard
    tjDecompressHeader3(decoder, bytes, UInt(bytes.count), &width, &height, &subsampling, &colourSpace) == 0
      || tjGetErrorCode(decoder) == TJERR_WARNING.rawValue
  else { throw failure() }
  try checkSize(width: Int(width), height: Int(height), named: name)

  let isInk = colourSpace == TJCS_CMYK.rawValue || colourSpace == TJCS_YCCK.rawValue
  let format = isInk ? TJPF_CMYK : TJPF_RGB
  var pixels = [UInt8](repeating: 0, count: Int(width) * Int(height) * (isInk ? 4 : 3))
  let status = tjDecompress2(
    decoder, bytes, UInt(bytes.count), &pixels, width, 0, height, Int32(format.rawValue), TJFLAG_ACCURATEDCT)
  if status != 0 {
    // The library fills what is missing with grey and warns; other warnings (stray bytes) leave the picture whole.
    let error = failure()
    let isWhole =
      tjGetErrorCode(decoder) == TJERR_WARNING.rawValue && !error.reason.lowercased().contains("premature end")
    guard isWhole else { throw error }
  }
  return RGBImage(width: Int(width), height: Int(height), pixels: isInk ? rgb(fromInk: pixels) : pixels)
}

/// As Pillow: files store the complement (Adobe), and each colour is what its ink and black let through.
private func rgb(fromInk pixels: [UInt8]) -> [UInt8] {
  var rgb: [UInt8] = []
  rgb.reserveCapacity(pixels.count / 4 * 3)
  for start in stride(from: 0, to: pixels.count, by: 4) {
    let black = Int(pixels[start + 3])
    for channel in 0..<3 {
      // Pillow's MULDIV255 on the ink that is not there.
      let product = (255 - Int(pixels[start + channel])) * black + 128
      rgb.append(UInt8(max(0, black - (product >> 8 + product) >> 8)))
    }
  }
  return rgb
}
