import Figures
import Foundation
import HDF5Store
import HeadImpact

/// The report of a scoring run.
public struct HeadImpactReport {
  public struct Options: Sendable {
    /// Nil for the model's, the dataset's and the number of samples.
    public var title: String?
    /// The measure by which heads are ranked.
    public var measure = Measure.matched
    /// How many of the best heads are listed, and compared between halves of the images.
    public var topHeads = 12
    /// Draws a straight line through the layers' means.
    public var hasLayerFit = false
    /// Where samples' photographs come from.
    public var source: PictureSource?
    public var programVersion: String

    public init(programVersion: String) { self.programVersion = programVersion }
  }

  /// The page of a finished file.
  ///
  /// - Throws: `HDF5Error`, `HeadImpactError` or `ReportError` naming the file and what is wrong in it; `COCOError` or
  ///   `ImageError` of the dataset and its pictures.
  public static func page(of file: URL, _ options: Options) throws -> Page {
    return try HeadImpactFile.open(file) { reader in
      let input = try ReportInput(reader, options)
      return Page(
        title: options.title ?? input.title, kind: "Head Impact report",
        summary: input.summary, sections: try sections(input),
        footer: "Made by headimpact \(options.programVersion) from \(file.lastPathComponent). "
          + "Head Impact is defined in arXiv 2511.23375.")
    }
  }

  /// The sections of a finished file, for a page that holds more than them.
  public static func sections(of file: URL, _ options: Options) throws -> [Section] {
    try HeadImpactFile.open(file) { try sections(ReportInput($0, options)) }
  }

  private static func sections(_ input: ReportInput) throws -> [Section] {
    [
      try headSection(input), layerSection(input), sizeSection(input), try reliabilitySection(input),
      try measureSection(input), sinkSection(input), categorySection(input), try sampleSection(input),
      provenanceSection(input),
    ].filter { !$0.blocks.isEmpty }
  }
}

extension Ranking.Head {
  /// As everywhere in this program: layer.head.
  var name: String { "\(layer).\(head)" }
}

extension Measure {
  /// What one sample's value is.
  var meaning: String {
    switch self {
    case .matched: "IoU of the object’s k visual tokens with the k that the head looks at most"
    case .mean: "IoU of the object’s visual tokens with those that the head looks at more than on average"
    case .otsu: "IoU of the object’s visual tokens with those at or above Otsu’s threshold of the attention"
    case .soft: "overlap of the object’s visual tokens with the attention itself, relative to its peak: Σ min / Σ max"
    case .mass: "share of the attention on visual tokens that lies on the object"
    case .pointing: "1 where the token that the head looks at most is the object’s, else 0"
    }
  }
}
