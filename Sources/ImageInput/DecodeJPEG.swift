import CTurboJPEG

/// Decodes with libjpeg-turbo's defaults (accurate integer DCT, smooth chroma upsampling), which are Pillow's.
func decodeJPEG(_ bytes: [UInt8]) throws -> [UInt8] {
  let header = try JPEGHeader(bytes)
  // libjpeg would fill the missing part with grey and only warn.
  guard JPEGMarkers(bytes).contains(where: { $0.code == 0xd9 }) else {
    throw ImageError(problem: "the JPEG data ends before its end marker: the file is cut off")
  }
  guard header.components == 4 else { return try decompress(bytes, header, format: TJPF_RGB, channels: 3) }
  var pixels = try decompress(bytes, header, format: TJPF_CMYK, channels: 4)
  keepRGB(ofInverted: &pixels)
  return pixels
}

private func decompress(_ bytes: [UInt8], _ header: JPEGHeader, format: TJPF, channels: Int) throws -> [UInt8] {
  guard let decoder = tjInitDecompress() else {
    throw ImageError(problem: "libjpeg-turbo can't be set up: \(String(cString: tjGetErrorStr2(nil)))")
  }
  defer { tjDestroy(decoder) }
  let row = header.width * channels
  var problem: (text: String, isWarning: Bool)?

  func pass(_ flags: Int32) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: row * header.height) { pixels, count in
      // So that nothing uninitialised is read where the decoder stops half way.
      pixels.initialize(repeating: 0)
      count = pixels.count
      // A progressive file of thousands of scans is an attack on our time: TJFLAG_LIMITSCANS ends it at 500.
      let result = tjDecompress2(
        decoder, bytes, UInt(bytes.count), pixels.baseAddress, Int32(header.width), Int32(row), Int32(header.height),
        format.rawValue, flags | TJFLAG_LIMITSCANS)
      problem =
        result == 0
        ? nil : (String(cString: tjGetErrorStr2(decoder)), tjGetErrorCode(decoder) == Int32(TJERR_WARNING.rawValue))
    }
  }

  var pixels = pass(TJFLAG_STOPONWARNING)
  if let first = problem, first.isWarning, !isTruncation(first.text) {
    // Pillow accepts what libjpeg only warns of, such as stray bytes between segments.
    pixels = pass(0)
  }
  if let problem, !problem.isWarning || isTruncation(problem.text) {
    throw ImageError(problem: "the JPEG data is corrupt: \(problem.text)")
  }
  return pixels
}

/// Whether a warning of libjpeg's says that part of the picture is missing.
private func isTruncation(_ warning: String) -> Bool { warning.lowercased().contains("premature end") }

/// Pillow's conversion of CMYK, after undoing the inversion of Adobe's files, which it assumes of all. Where they lie: such a
/// picture is large enough once.
private func keepRGB(ofInverted inks: inout [UInt8]) {
  let count = inks.count / 4
  inks.withUnsafeMutableBufferPointer { pixels in
    for at in 0..<count {
      let (cyan, magenta, yellow) = (pixels[4 * at], pixels[4 * at + 1], pixels[4 * at + 2])
      let white = pixels[4 * at + 3]
      pixels[3 * at] = light(ink: 255 - cyan, white: white)
      pixels[3 * at + 1] = light(ink: 255 - magenta, white: white)
      pixels[3 * at + 2] = light(ink: 255 - yellow, white: white)
    }
  }
  inks.removeLast(inks.count - 3 * count)
}

/// What of the light that black leaves, an ink leaves: Pillow's arithmetic.
func light(ink: UInt8, white: UInt8) -> UInt8 {
  let product = Int(ink) * Int(white) + 128
  return UInt8(Swift.max(0, Int(white) - (product >> 8 + product) >> 8))
}
