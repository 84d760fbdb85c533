/// The places in which a file may say how its picture is to be turned, as Pillow's `getexif` looks at them: EXIF data,
/// and only where those have no such tag, XMP.
struct OrientationSources {
  /// EXIF data, with or without "Exif\0\0" before them.
  var exif: [UInt8]?
  var xmp: ArraySlice<UInt8>?

  var orientation: Orientation {
    if let exif, let stated = Self.stated(exif: exif) { return Orientation(rawValue: stated) ?? .upright }
    if let xmp, let stated = Self.stated(xmp: xmp) { return Orientation(rawValue: stated) ?? .upright }
    return .upright
  }

  /// The number that EXIF data state, 0 if it is none; nil if they have no such tag.
  private static func stated(exif: [UInt8]) -> Int? {
    let prefix = Array("Exif\0\0".utf8)
    var start = 0
    for _ in 0..<2 where exif[start...].starts(with: prefix) { start += prefix.count }
    guard let directory = TIFFDirectory(exif, in: start..<exif.count) else { return nil }
    return stated(in: directory)
  }

  static func stated(in directory: TIFFDirectory) -> Int? {
    guard directory.has(TIFFDirectory.Tag.orientation) else { return nil }
    return directory.integers(TIFFDirectory.Tag.orientation, limit: 1)?.first ?? 0
  }

  /// The digit of `tiff:Orientation="6"` or `<tiff:Orientation>6`.
  static func stated(xmp: ArraySlice<UInt8>) -> Int? {
    let name = Array("tiff:Orientation".utf8)
    var at = xmp.startIndex
    while let start = xmp[at...].firstIndex(of: name[0]) {
      at = start + 1
      guard xmp[start...].starts(with: name) else { continue }
      var digit = start + name.count
      let rest = xmp[digit...]
      if rest.starts(with: [UInt8(ascii: "="), UInt8(ascii: "\"")]) {
        digit += 2
      } else if rest.first == UInt8(ascii: ">") {
        digit += 1
      } else {
        continue
      }
      guard digit < xmp.endIndex, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(xmp[digit]) else { continue }
      return Int(xmp[digit] - UInt8(ascii: "0"))
    }
    return nil
  }
}
