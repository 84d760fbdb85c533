/// The size Qwen2-VL gives a picture: both sides multiples of `factor`, the area between the limits, the shape
/// as close as that allows. As `smart_resize` of Hugging Face transformers.
///
/// - Units: pixels.
/// - Throws: `ImageError` for an impossible size, for limits that are none, and for a picture more than 200 times as
///   long as it is wide.
public func smartResize(
  height: Int, width: Int, factor: Int, minPixels: Int, maxPixels: Int
) throws -> (height: Int, width: Int) {
  try checkImageSize(width: width, height: height)
  guard factor > 0, factor <= 1 << 16, minPixels > 0, minPixels <= maxPixels else {
    throw ImageError(
      problem: "sides in multiples of \(factor) and \(minPixels) to \(maxPixels) pixels: no size is like that")
  }
  let aspect = Double(max(height, width)) / Double(min(height, width))
  guard aspect <= 200 else {
    throw ImageError(
      problem: "a picture of \(width) x \(height) pixels: one side may be at most 200 times the other")
  }
  let (h, w, unit) = (Double(height), Double(width), Double(factor))
  func multiple(_ sides: Double) -> Int { Int(sides) * factor }
  // Python's round goes to the even number at .5.
  let rounded = (
    height: multiple((h / unit).rounded(.toNearestOrEven)), width: multiple((w / unit).rounded(.toNearestOrEven))
  )
  if rounded.height * rounded.width > maxPixels {
    let beta = (Double(height * width) / Double(maxPixels)).squareRoot()
    return (
      max(factor, multiple((h / beta / unit).rounded(.down))), max(factor, multiple((w / beta / unit).rounded(.down)))
    )
  }
  if rounded.height * rounded.width < minPixels {
    let beta = (Double(minPixels) / Double(height * width)).squareRoot()
    return (multiple((h * beta / unit).rounded(.up)), multiple((w * beta / unit).rounded(.up)))
  }
  return rounded
}
