import Figures
import Foundation
import HDF5Store
import IO

/// What each image's caption or each question's answer scored, as a table for other programs.
public struct PerImageTable: Sendable, Equatable {
  /// `image` or `question`: what a row is of.
  let axis: String
  let ids: [Int64]
  /// The image of each question; nil if rows are images.
  let imageIDs: [Int64]?
  let columns: [(name: String, meaning: String, units: String, values: [Double])]

  public init(_ evaluation: CaptionEvaluation) {
    axis = "image"
    ids = evaluation.imageIDs
    imageIDs = nil
    columns = evaluation.metrics.map { metric in
      (
        metric.rawValue, "\(metric.rawValue) of the image's caption",
        MetricUnit.isPercent(metric.rawValue) ? "percent" : "1", evaluation.perImage[metric] ?? []
      )
    }
  }

  public init(_ evaluation: VQAEvaluation) {
    axis = "question"
    ids = evaluation.questionIDs
    imageIDs = evaluation.imageIDs
    let accuracy = evaluation.accuracies.map {
      ("accuracy", "accuracy of the answer by the rule \(evaluation.dialect.rawValue)", "percent", $0)
    }
    columns =
      [accuracy].compactMap { $0 }
      + [("exact_match", "whether the answer is the most frequent human answer", "percent", evaluation.exactMatches)]
  }

  public static func == (a: PerImageTable, b: PerImageTable) -> Bool {
    a.axis == b.axis && a.ids == b.ids && a.imageIDs == b.imageIDs && a.columns.map(\.name) == b.columns.map(\.name)
      && a.columns.map(\.values) == b.columns.map(\.values)
  }

  /// What the title of an HDF5 file begins with.
  private static let title = "Scores of each "

  /// Only another such table is replaced: a scoring run is an HDF5 file too.
  ///
  /// - Throws: `EvaluationError` if the file is something else, or what reading it throws.
  public static func checkReplaceable(_ url: URL) throws {
    guard FileManager.default.fileExists(atPath: url.path) else { return }
    let isTable: Bool
    if url.pathExtension.lowercased() == "csv" {
      let head = String(decoding: try InputFile.read(url, upTo: 16), as: UTF8.self)
      isTable = ["image_id,", "question_id,"].contains(where: head.hasPrefix)
    } else {
      isTable = try HDF5File.read(from: url.path) { file throws in
        guard case .string(let title)? = try file.attribute("title") else { return false }
        return title.hasPrefix(Self.title)
      }
    }
    guard !isTable else { return }
    throw EvaluationError("\(url.path): is no output of --per-image, so --overwrite doesn't replace it")
  }

  /// Writes a CSV file (.csv) or an HDF5 file (.h5), under its name when it is complete; another such table of that name
  /// is replaced.
  ///
  /// - Parameter source: the program, for the file's attributes.
  /// - Throws: `EvaluationError`, `EnvironmentFault` or `HDF5Error` naming the file.
  public func write(to url: URL, source: String) throws {
    try Self.checkReplaceable(url)
    switch url.pathExtension.lowercased() {
    case "csv": try writeCSV(url)
    case "h5", "hdf5": try writeHDF5(url, source)
    default: throw EvaluationError("\(url.path): --per-image takes a name that ends in .csv or .h5")
    }
  }

  private func writeCSV(_ url: URL) throws {
    let head = ["\(axis)_id"] + (imageIDs == nil ? [] : ["image_id"]) + columns.map(\.name)
    let rows = ids.enumerated().map { row, id in
      ["\(id)"] + (imageIDs.map { ["\($0[row])"] } ?? []) + columns.map { CSV.field($0.values[row]) }
    }
    try AtomicFile.write(Data(CSV.text([head] + rows).utf8), to: url)
  }

  private func writeHDF5(_ url: URL, _ source: String) throws {
    try HDF5File.write(to: url.path, replacing: true) { file in
      func describe(_ name: String, _ meaning: String, _ units: String) throws {
        try file.setAttribute("long_name", .string(meaning), of: name)
        try file.setAttribute("units", .string(units), of: name)
      }
      try file.defineDimension(axis, values: ids)
      try describe(axis, "\(axis) id", "1")
      if let imageIDs {
        try file.write(imageIDs, to: "image_id", dimensions: [axis])
        try describe("image_id", "id of the question's image", "1")
      }
      for column in columns {
        try file.write(column.values, to: column.name, dimensions: [axis])
        try describe(column.name, column.meaning, column.units)
      }
      try file.setAttribute("title", .string(Self.title + axis))
      try file.setAttribute("Conventions", "CF-1.8")
      try file.setAttribute("source", .string(source))
      try file.setAttribute("created", .string(ISO8601DateFormatter().string(from: Date())))
    }
  }
}
