import CCairo
import ImageInput

/// A part of a canvas.
///
/// - Units: pixels, from the upper left corner.
public struct Rectangle: Sendable, Equatable {
  public let x: Double
  public let y: Double
  public let width: Double
  public let height: Double

  public init(x: Double, y: Double, width: Double, height: Double) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// The largest rectangle of these proportions in the middle of this one.
  public func fitting(width: Double, height: Double) -> Rectangle {
    let scale = min(self.width / width, self.height / height)
    let (inner, outer) = ((width * scale, height * scale), self)
    return Rectangle(
      x: outer.x + (outer.width - inner.0) / 2, y: outer.y + (outer.height - inner.1) / 2, width: inner.0,
      height: inner.1)
  }
}

/// A picture being drawn: photographs and words, by cairo.
public final class Canvas {
  public let width: Int
  public let height: Int
  private let surface: OpaquePointer
  private let context: OpaquePointer

  /// - Throws: `ImageError` if cairo has no room for it.
  public init(width: Int, height: Int, background: Colour = Colour(grey: 1)) throws {
    guard width > 0, height > 0, width <= Self.largestSide, height <= Self.largestSide,
      let surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height)),
      let context = cairo_create(surface), cairo_status(context) == CAIRO_STATUS_SUCCESS
    else { throw ImageError(problem: "a picture of \(width) x \(height) pixels can't be drawn") }
    (self.width, self.height, self.surface, self.context) = (width, height, surface, context)
    fill(Rectangle(x: 0, y: 0, width: Double(width), height: Double(height)), background)
  }

  deinit {
    cairo_destroy(context)
    cairo_surface_destroy(surface)
  }

  /// Cairo's own limit.
  private static let largestSide = 32_767

  public func fill(_ rectangle: Rectangle, _ color: Colour) {
    cairo_set_source_rgb(context, color.red, color.green, color.blue)
    cairo_rectangle(context, rectangle.x, rectangle.y, rectangle.width, rectangle.height)
    cairo_fill(context)
  }

  /// Draws a picture into a rectangle, smoothly resized.
  ///
  /// - Throws: `ImageError` if cairo has no room for it.
  public func draw(_ image: RGBImage, in rectangle: Rectangle) throws {
    guard let picture = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(image.width), Int32(image.height)),
      cairo_surface_status(picture) == CAIRO_STATUS_SUCCESS, let data = cairo_image_surface_get_data(picture)
    else { throw ImageError(problem: "a picture of \(image.width) x \(image.height) pixels can't be drawn") }
    defer { cairo_surface_destroy(picture) }
    let stride = Int(cairo_image_surface_get_stride(picture))
    for y in 0..<image.height {
      for x in 0..<image.width {
        let (from, to) = ((y * image.width + x) * 3, y * stride + x * 4)
        (data[to], data[to + 1], data[to + 2]) = (image.pixels[from + 2], image.pixels[from + 1], image.pixels[from])
      }
    }
    cairo_surface_mark_dirty(picture)
    cairo_save(context)
    cairo_translate(context, rectangle.x, rectangle.y)
    cairo_scale(context, rectangle.width / Double(image.width), rectangle.height / Double(image.height))
    cairo_set_source_surface(context, picture, 0, 0)
    cairo_pattern_set_filter(cairo_get_source(context), CAIRO_FILTER_GOOD)
    cairo_pattern_set_extend(cairo_get_source(context), CAIRO_EXTEND_PAD)
    cairo_rectangle(context, 0, 0, Double(image.width), Double(image.height))
    cairo_fill(context)
    cairo_restore(context)
  }

  /// - Parameters:
  ///   - x: where the text begins, and `y` its baseline.
  ///   - size: of the letters, in pixels.
  ///   - width: the text is cut, with an ellipsis, to fit in it.
  public func write(
    _ text: String, x: Double, y: Double, size: Double, isBold: Bool = false, color: Colour = Colour(grey: 0.1),
    width: Double = .infinity
  ) {
    setFont(size: size, isBold: isBold)
    var text = text
    if self.width(of: text) > width {
      while !text.isEmpty, self.width(of: text + "…") > width { text.removeLast() }
      text += "…"
    }
    cairo_set_source_rgb(context, color.red, color.green, color.blue)
    cairo_move_to(context, x, y)
    cairo_show_text(context, text)
  }

  private func setFont(size: Double, isBold: Bool) {
    cairo_select_font_face(
      context, "sans-serif", CAIRO_FONT_SLANT_NORMAL, isBold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL)
    cairo_set_font_size(context, size)
  }

  private func width(of text: String) -> Double {
    var extents = cairo_text_extents_t()
    cairo_text_extents(context, text, &extents)
    return extents.x_advance
  }

  /// What has been drawn.
  ///
  /// - Throws: `ImageError` if cairo failed.
  public func image() throws -> RGBImage {
    cairo_surface_flush(surface)
    let status = cairo_status(context)
    guard status == CAIRO_STATUS_SUCCESS, let data = cairo_image_surface_get_data(surface) else {
      throw ImageError(problem: "drawing failed: \(String(cString: cairo_status_to_string(status)))")
    }
    let stride = Int(cairo_image_surface_get_stride(surface))
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    for y in 0..<height {
      for x in 0..<width {
        let (from, to) = (y * stride + x * 4, (y * width + x) * 3)
        (pixels[to], pixels[to + 1], pixels[to + 2]) = (data[from + 2], data[from + 1], data[from])
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
