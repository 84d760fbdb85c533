/// The shapes of a scene's things. The order is part of how a seed becomes a scene.
public enum SceneShape: String, CaseIterable, Sendable {
  case circle, square, triangle, star, cross, diamond

  /// The shape's area in thousandths of its bounding square's.
  var areaInThousandths: Int {
    switch self {
    case .circle: 785
    case .square: 1000
    case .triangle, .diamond: 500
    case .star: 309
    case .cross: 590
    }
  }
}

/// The colours of a scene's things. The order is part of how a seed becomes a scene.
public enum SceneColour: String, CaseIterable, Sendable {
  case red, orange, yellow, green, cyan, blue, purple, pink

  /// The colour that its things vary a little around.
  var base: [Int] {
    switch self {
    case .red: [220, 30, 35]
    case .orange: [250, 135, 20]
    case .yellow: [245, 230, 40]
    case .green: [30, 150, 50]
    case .cyan: [40, 215, 225]
    case .blue: [30, 60, 215]
    case .purple: [135, 45, 175]
    case .pink: [255, 150, 205]
    }
  }

  /// What a texture alternates with: light on the dark colours, dark on the light ones.
  var second: [UInt8] {
    switch self {
    case .red, .green, .blue, .purple: [245, 245, 245]
    case .orange, .yellow, .cyan, .pink: [20, 20, 20]
    }
  }
}

/// How scenes are spoken of.
public enum SceneWording: String, CaseIterable, Sendable {
  /// As the demonstration model was taught.
  case taught
  /// With other names of the colours and another form of sentence, which the model has never met: something to learn.
  case shifted
}

extension SceneColour {
  func name(_ wording: SceneWording) -> String {
    guard wording == .shifted else { return rawValue }
    return switch self {
    case .red: "crimson"
    case .orange: "amber"
    case .yellow: "lemon"
    case .green: "olive"
    case .cyan: "teal"
    case .blue: "navy"
    case .purple: "violet"
    case .pink: "rose"
    }
  }
}

/// The textures of a scene's things. The order is part of how a seed becomes a scene.
public enum SceneTexture: String, CaseIterable, Sendable {
  case plain, striped, dotted, checkered
}

/// How large the key object is.
public enum SceneSize: String, CaseIterable, Sendable {
  case small, medium, large

  /// The possible sides of its bounding square, in pixels: far enough apart to be distinguished.
  var sides: ClosedRange<Int> {
    switch self {
    case .small: 52...60
    case .medium: 72...84
    case .large: 104...116
    }
  }
}

/// Where the key object's centre is: a third of the image down and a third across, row by row.
public enum ScenePosition: String, CaseIterable, Sendable {
  case topLeft = "at the top left"
  case top = "at the top"
  case topRight = "at the top right"
  case left = "at the left"
  case centre = "in the centre"
  case right = "at the right"
  case bottomLeft = "at the bottom left"
  case bottom = "at the bottom"
  case bottomRight = "at the bottom right"
}

/// A question about a scene, with its one answer.
public struct SceneQuestion: Sendable, Equatable {
  /// What kind of answer VQA counts it among.
  public enum Kind: String, Sendable {
    case yesOrNo = "yes/no"
    case number
    case other
  }

  public let question: String
  public let answer: String
  public let kind: Kind
}

extension Scene {
  /// The key object in words: `a large striped red circle at the top left`, or shifted, `top left: one crimson circle,
  /// striped, large`.
  public func description(_ wording: SceneWording = .taught) -> String {
    let (key, colour) = (keyObject, keyObject.colour.name(wording))
    switch wording {
    case .taught:
      return "a \(size.rawValue) \(key.texture.rawValue) \(colour) \(key.shape.rawValue) \(position.rawValue)"
    case .shifted:
      let place = position.rawValue.split(separator: " ").dropFirst(2).joined(separator: " ")
      return "\(place): one \(colour) \(key.shape.rawValue), \(key.texture.rawValue), \(size.rawValue)"
    }
  }

  /// Six open questions and three of yes or no, always in this order.
  public func questions(_ wording: SceneWording = .taught) -> [SceneQuestion] {
    var generator = SceneRandom(seed: seed ^ 0x5175_6573_7469_6F6E)
    let key = keyObject
    let colour = Self.asked(key.colour, with: &generator)
    let shape = Self.asked(key.shape, with: &generator)
    let texture = Self.asked(key.texture, with: &generator)
    let numbers = ["zero", "one", "two", "three", "four", "five"]

    func open(_ question: String, _ answer: String) -> SceneQuestion {
      SceneQuestion(question: question, answer: answer, kind: .other)
    }
    func closed(_ question: String, _ holds: Bool) -> SceneQuestion {
      SceneQuestion(question: question, answer: holds ? "yes" : "no", kind: .yesOrNo)
    }
    return [
      open("What colour is the largest object?", key.colour.name(wording)),
      open("What shape is the largest object?", key.shape.rawValue),
      open("What texture does the largest object have?", key.texture.rawValue),
      open("How large is the largest object?", size.rawValue),
      open("Where is the largest object?", position.rawValue),
      SceneQuestion(question: "How many objects are there?", answer: numbers[things.count], kind: .number),
      closed("Is the largest object \(colour.name(wording))?", colour == key.colour),
      closed("Is the largest object a \(shape.rawValue)?", shape == key.shape),
      closed("Is the largest object \(texture.rawValue)?", texture == key.texture),
    ]
  }

  /// What a yes-or-no question asks about: half the time what is so, else another value.
  private static func asked<Value: CaseIterable & Equatable>(
    _ value: Value, with generator: inout SceneRandom
  ) -> Value where Value.AllCases == [Value] {
    if generator.below(2) == 1 { return value }
    let all = Value.allCases
    let others = generator.below(all.count - 1)
    let index = all.firstIndex(of: value) ?? 0
    return all[(index + 1 + others) % all.count]
  }
}
