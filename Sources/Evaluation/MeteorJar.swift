import Foundation

/// METEOR 1.5, the published Java program, given by the user: none of it is included. It is queried line by
/// line (`- - -stdio -l en -norm`), as coco-caption does.
public struct MeteorJar: Sendable {
  public let jar: URL
  private let java: String

  /// - Parameter java: the Java program, searched on the PATH if it is only a name.
  public init(_ jar: URL, java: String = "java") {
    self.jar = jar
    self.java = java
  }

  struct Scores: Equatable {
    let corpus: Double
    let perImage: [Double]
  }

  /// - Parameter images: tokens of the candidate, and of each reference, joined by spaces.
  /// - Throws: `EvaluationError` if the jar isn't there, can't be run, or doesn't answer as METEOR does.
  func scores(_ images: [(candidate: String, references: [String])]) throws -> Scores {
    guard FileManager.default.fileExists(atPath: jar.path) else {
      throw EvaluationError("\(jar.path): there is no such file; --meteor-jar takes the meteor-1.5.jar of METEOR")
    }
    let process = try LineProcess(
      java, ["-Xmx2G", "-jar", jar.path, "-", "-", "-stdio", "-l", "en", "-norm"],
      name: "\(jar.path): METEOR's Java program")
    defer { process.end() }
    var statistics: [String] = []
    for image in images {
      let candidate = image.candidate.replacingOccurrences(of: "|||", with: "")
        .replacingOccurrences(of: "  ", with: " ")
      try process.say((["SCORE"] + image.references + [candidate]).joined(separator: " ||| "))
      statistics.append(try process.answer())
    }
    try process.say((["EVAL"] + statistics).joined(separator: " ||| "))
    let perImage = try images.map { _ in try number(process.answer()) }
    return Scores(corpus: try number(process.answer()), perImage: perImage)
  }

  private func number(_ line: String) throws -> Double {
    guard let value = Double(line), value.isFinite else {
      throw EvaluationError("\(jar.path): said \"\(line.prefix(80))\", where METEOR 1.5 prints a score")
    }
    return value
  }
}
