/// A scene as pixels.
public struct ScenePicture: Sendable {
  /// - Shape: [224, 224, 3]
  /// - Units: red, green and blue, 0 to 255
  public let pixels: [UInt8]
  /// Whose every pixel is: 0 the ground's, i + 1 that of thing i.
  /// - Shape: [224, 224]
  public let owners: [UInt8]
}

extension Scene {
  /// The scene's image, and the exact pixels of each object.
  public func draw() -> ScenePicture {
    let side = Self.side
    var pixels = drawGround()
    var owners = [UInt8](repeating: 0, count: side * side)
    for (index, thing) in things.enumerated() {
      let border = max(2, thing.side / 18)
      let second = thing.colour.second
      for row in 0..<thing.side {
        for column in 0..<thing.side where thing.covers(column, row) {
          let isInner =
            thing.covers(column - border, row) && thing.covers(column + border, row)
            && thing.covers(column, row - border) && thing.covers(column, row + border)
          let colour = isInner && thing.showsSecondColour(column, row) ? second : thing.rgb
          let pixel = (thing.y + row) * side + thing.x + column
          owners[pixel] = UInt8(index + 1)
          for channel in 0..<3 {
            pixels[3 * pixel + channel] = colour[channel]
          }
        }
      }
    }
    return ScenePicture(pixels: pixels, owners: owners)
  }

  /// A muted ground of small blocks, with stripes, boards or a slope of light over them.
  private func drawGround() -> [UInt8] {
    let grounds = [
      [128, 128, 128], [172, 168, 158], [96, 104, 112], [150, 138, 122], [188, 190, 196], [108, 100, 92],
    ]
    var generator = SceneRandom(seed: seed ^ 0x4772_6F75_6E64)
    var base: [Int] = []
    for level in grounds[generator.below(grounds.count)] {
      base.append(min(235, max(40, level + generator.within(-16...16))))
    }
    let kind = generator.below(4)
    let amplitude = generator.within(6...18)
    let step = generator.within(8...20)
    let period = generator.within(3...9)

    let blockSide = 4
    let blocks = Self.side / blockSide
    var pixels = [UInt8](repeating: 0, count: Self.side * Self.side * 3)
    for row in 0..<blocks {
      for column in 0..<blocks {
        var light = (Int(generator.next() >> 56) * (2 * amplitude + 1)) >> 8 - amplitude
        switch kind {
        case 1: light += step * ((row / period) & 1)
        case 2: light += step * ((row / period + column / period) & 1)
        case 3: light += step * (row + column) / blocks
        default: break
        }
        let colour = base.map { UInt8(min(255, max(0, $0 + light))) }
        for y in (row * blockSide)..<((row + 1) * blockSide) {
          for x in (column * blockSide)..<((column + 1) * blockSide) {
            for channel in 0..<3 {
              pixels[3 * (y * Self.side + x) + channel] = colour[channel]
            }
          }
        }
      }
    }
    return pixels
  }
}

extension SceneThing {
  /// Whether the shape covers a pixel of its bounding square; false outside the square.
  func covers(_ column: Int, _ row: Int) -> Bool {
    guard column >= 0, row >= 0, column < side, row < side else { return false }
    // Twice the pixel's offset from the square's centre.
    let u = 2 * column + 1 - side
    let v = 2 * row + 1 - side
    switch shape {
    case .circle: return u * u + v * v <= side * side
    case .square: return true
    case .triangle: return 2 * abs(u) <= v + side
    case .star:
      // On the inner side of at least four of the star's five lines. Its own centre lies below the square's.
      let lines = [(0, -1000), (951, -309), (588, 809), (-588, 809), (-951, -309)]
      let w = 10_000 * v - 1004 * side
      let inside = lines.count { a, b in (a * 10_000 * u + b * w) * 951 <= 309 * 10_000 * 1000 * side }
      return inside >= 4
    case .cross: return 100 * abs(u) <= 36 * side || 100 * abs(v) <= 36 * side
    case .diamond: return abs(u) + abs(v) <= side
    }
  }

  /// Whether the texture shows its second colour at a pixel of the bounding square.
  func showsSecondColour(_ column: Int, _ row: Int) -> Bool {
    let u = column + phase
    let v = row + phase
    let width = 4 + side / 32
    switch texture {
    case .plain: return false
    case .striped: return ((stripesAreUpright ? u : v) / width) & 1 == 1
    case .dotted:
      let pitch = 2 * width + 2
      let du = 2 * (u % pitch) + 1 - pitch
      let dv = 2 * (v % pitch) + 1 - pitch
      return 25 * (du * du + dv * dv) <= 9 * pitch * pitch
    case .checkered:
      let cell = width + 2
      return (u / cell + v / cell) & 1 == 1
    }
  }
}
