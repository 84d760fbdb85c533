extension RGBImage {
  /// The rectangle of the picture that begins at `x`, `y`.
  ///
  /// - Units: pixels.
  /// - Throws: `ImageError` if the rectangle is empty or leaves the picture.
  public func cropped(x: Int, y: Int, width: Int, height: Int) throws -> RGBImage {
    guard x >= 0, y >= 0, width > 0, height > 0, x <= self.width - width, y <= self.height - height else {
      throw ImageError(
        problem: "a crop of \(width) x \(height) pixels at \(x), \(y) doesn't lie in a picture of \(self.width) x "
          + "\(self.height)")
    }
    var cut: [UInt8] = []
    cut.reserveCapacity(width * height * 3)
    for row in y..<y + height {
      let start = (row * self.width + x) * 3
      cut.append(contentsOf: pixels[start..<start + width * 3])
    }
    return RGBImage(width: width, height: height, pixels: cut)
  }

  /// The picture in a frame of one colour.
  ///
  /// - Parameter value: of all three channels of the frame.
  /// - Units: pixels.
  /// - Throws: `ImageError` if a side of the frame is negative or the result is larger than a picture may be.
  public func padded(left: Int = 0, top: Int = 0, right: Int = 0, bottom: Int = 0, value: UInt8 = 0) throws -> RGBImage
  {
    guard [left, top, right, bottom].allSatisfy({ (0...Self.maximumPixels).contains($0) }) else {
      throw ImageError(
        problem: "padding of \(left), \(top), \(right), \(bottom) pixels: 0 to \(Self.maximumPixels) are possible")
    }
    let (newWidth, newHeight) = (width + left + right, height + top + bottom)
    try checkImageSize(width: newWidth, height: newHeight)
    var framed = [UInt8](repeating: value, count: newWidth * newHeight * 3)
    for row in 0..<height {
      let target = ((row + top) * newWidth + left) * 3
      let start = row * width * 3
      framed.replaceSubrange(target..<target + width * 3, with: pixels[start..<start + width * 3])
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: framed)
  }

  /// The picture cut into tiles of one size, row by row.
  ///
  /// - Units: pixels.
  /// - Throws: `ImageError` if the picture's sides are not multiples of the tile's.
  public func tiles(width tileWidth: Int, height tileHeight: Int) throws -> [RGBImage] {
    guard tileWidth > 0, tileHeight > 0, width.isMultiple(of: tileWidth), height.isMultiple(of: tileHeight) else {
      throw ImageError(
        problem: "a picture of \(width) x \(height) pixels can't be cut into tiles of \(tileWidth) x \(tileHeight)")
    }
    return try stride(from: 0, to: height, by: tileHeight).flatMap { y in
      try stride(from: 0, to: width, by: tileWidth).map { x in
        try cropped(x: x, y: y, width: tileWidth, height: tileHeight)
      }
    }
  }
}
