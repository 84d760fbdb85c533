/// One object of a scene.
public struct SceneThing: Sendable, Equatable {
  public let shape: SceneShape
  public let colour: SceneColour
  public let texture: SceneTexture
  /// The side of its bounding square, in pixels.
  public internal(set) var side: Int
  /// Where its bounding square begins, in pixels from the left.
  public internal(set) var x = 0
  /// Where its bounding square begins, in pixels from the top.
  public internal(set) var y = 0
  /// Its colour in this scene: red, green, blue.
  var rgb: [UInt8] = []
  /// Whether its stripes are upright.
  var stripesAreUpright = false
  /// Where in its texture it begins, in pixels.
  var phase = 0

  /// Whether two bounding squares have at least three pixels between them.
  func isApart(from other: SceneThing) -> Bool {
    x + side + 3 <= other.x || other.x + other.side + 3 <= x || y + side + 3 <= other.y
      || other.y + other.side + 3 <= y
  }
}

/// A scene of the demonstration: one to five things on a textured ground, none over another, all from one seed.
///
/// The first thing is the key object. It is the largest, by two fifths more area than the next or more; its size and
/// its place are never near the border of two words. `tools/demo-model/scenes.py` makes the same scenes, pixel by
/// pixel.
public struct Scene: Sendable {
  /// Side of every scene's picture, in pixels.
  public static let side = 224

  public let seed: UInt64
  /// How large the key object is.
  public let size: SceneSize
  /// Where the key object is.
  public let position: ScenePosition
  /// The things, the key object first.
  public let things: [SceneThing]

  /// What the scene is about.
  public var keyObject: SceneThing { things[0] }

  public init(seed: UInt64) {
    var generator = SceneRandom(seed: seed)
    self.seed = seed
    size = SceneSize.allCases[generator.below(3)]
    let place = generator.below(9)
    position = ScenePosition.allCases[place]

    var key = Self.thing(sides: size.sides, with: &generator)
    key.x = Self.start(third: place % 3, side: key.side, with: &generator)
    key.y = Self.start(third: place / 3, side: key.side, with: &generator)
    var things = [key]
    for _ in 0..<generator.below(5) {
      var other = Self.thing(sides: 18...(key.side * 6 / 10), with: &generator)
      while other.shape.areaInThousandths * other.side * other.side * 3
        > key.shape.areaInThousandths * key.side * key.side * 2
      {
        other.side -= 1
      }
      // If no free place is found after some tries, the object is left out.
      for _ in 0..<16 {
        other.x = generator.below(Self.side - other.side + 1)
        other.y = generator.below(Self.side - other.side + 1)
        if things.allSatisfy(other.isApart) {
          things.append(other)
          break
        }
      }
    }
    for index in things.indices {
      things[index].rgb = things[index].colour.base.map { level in
        UInt8(min(255, max(0, level + generator.within(-12...12))))
      }
      things[index].stripesAreUpright = generator.below(2) == 1
      things[index].phase = generator.below(16)
    }
    self.things = things
  }

  private static func thing(sides: ClosedRange<Int>, with generator: inout SceneRandom) -> SceneThing {
    let shape = SceneShape.allCases[generator.below(6)]
    let colour = SceneColour.allCases[generator.below(8)]
    let texture = SceneTexture.allCases[generator.below(4)]
    return SceneThing(shape: shape, colour: colour, texture: texture, side: generator.within(sides))
  }

  /// Where the key object begins along one axis: its centre is well inside a third of the picture, all of it in sight.
  private static func start(third: Int, side: Int, with generator: inout SceneRandom) -> Int {
    let half = side / 2
    let centres =
      switch third {
      case 0: max(half, 32)...62
      case 1: 94...130
      default: 162...(Self.side - max(side - half, 32))
      }
    return generator.within(centres) - half
  }
}
