import COCO
import Figures
import Foundation
import HeadImpact
import IO
import ImageInput
import RunSupport

/// Makes the page of a finished run: pictures of the expressions that were found best and worst.
struct PlacesFolder {
  /// The command's own folders, which may be replaced.
  static let kind = PageFolder(generator: "headimpact ground") { $0.hasSuffix(".png") }
  /// How many expressions are shown at either end.
  static let shownAtEachEnd = 24

  let configuration: GroundConfiguration
  /// The page's folder.
  let url: URL

  /// - Throws: `JobError` if the folder can't be made.
  static func check(_ url: URL, _ configuration: GroundConfiguration) throws {
    try JobInputs.checkFolder(of: url, option: "--page")
    let replaces = configuration.overwrites || configuration.resumes
    if let reason = try kind.refusal(of: url, overwrites: replaces, option: "--page") {
      throw JobError("\(url.path): \(reason)")
    }
  }

  /// Writes the folder as a whole. A picture that is no longer there is left out, and said to be.
  ///
  /// - Parameter attend: called before each picture: the other ranks wait for this one.
  /// - Throws: errors of the environment; `FolderError`.
  func write(
    _ found: [GroundedExpression], _ scores: GroundingScores, skips: SkipCounts, attend: () throws -> Void
  ) throws {
    let refusal = { (old: URL, _: URL) in
      try Self.kind.refusal(
        of: old, overwrites: configuration.overwrites || configuration.resumes, option: "--page")
    }
    try WholeFolder.write(to: url, what: "the page", refusal: refusal) { folder in
      var problems: [String] = []
      var pictures = 0
      let ends = BestAndWorst(found, atEachEnd: Self.shownAtEachEnd)
      func entries(_ expressions: [GroundedExpression]) throws -> [PlacesPage.Entry] {
        try expressions.compactMap { expression in
          try attend()
          do {
            // Numbered: a file of expressions may use an id twice.
            let name = String(format: "%02d.png", pictures + 1)
            let entry = try draw(expression, as: name, into: folder)
            pictures += 1
            return entry
          } catch let fault as any ContentFault {
            problems.append("expression \(expression.id): \(fault)")
            return nil
          }
        }
      }
      let page = PlacesPage(
        model: modelName, dataset: configuration.dataset.lastPathComponent, heads: configuration.heads,
        locating: configuration.locating, scores: scores, skips: skips, best: try entries(ends.best),
        worst: try entries(ends.worst), problems: problems)
      try WholeFolder.write(Data(page.html.utf8), to: folder.appendingPathComponent("index.html"))
    }
  }

  private var modelName: String {
    IO.modelName(ofFolder: configuration.model)
      + (configuration.adapter.map { " with \($0.standardizedFileURL.lastPathComponent)" } ?? "")
  }

  private func draw(_ expression: GroundedExpression, as name: String, into folder: URL) throws -> PlacesPage.Entry {
    let size = (width: expression.segmentation.size[1], height: expression.segmentation.size[0])
    let image = try JobInputs.image(expression.fileName, in: configuration.images, size: size)
    let mask = try RunLengthEncoding(
      height: size.height, width: size.width, compressed: expression.segmentation.counts
    ).decoded()
    try WholeFolder.write(
      encodePNG(PlacePicture.image(image, found: mask)), to: folder.appendingPathComponent(name))
    return PlacesPage.Entry(expression: expression, picture: name)
  }
}

/// The expressions whose boxes agree most and least with the right ones.
struct BestAndWorst {
  /// The best first.
  let best: [GroundedExpression]
  /// The worst first; none where all are among the best.
  let worst: [GroundedExpression]

  /// - Parameter count: of each; if there are no more than twice as many, all are among the best.
  init(_ found: [GroundedExpression], atEachEnd count: Int) {
    func isBetter(_ a: GroundedExpression, _ b: GroundedExpression) -> Bool {
      (a.boxIoU, a.maskIoU ?? 0, -a.id) > (b.boxIoU, b.maskIoU ?? 0, -b.id)
    }
    let ordered = found.sorted(by: isBetter)
    guard ordered.count > 2 * count else {
      (best, worst) = (ordered, [])
      return
    }
    (best, worst) = (Array(ordered.prefix(count)), ordered.suffix(count).reversed())
  }
}
