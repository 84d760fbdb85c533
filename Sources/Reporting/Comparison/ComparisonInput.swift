import Comparison
import Foundation
import HDF5Store
import HeadImpact

/// Reads the files of scoring runs and compares them.
public enum ComparisonInput {
  /// - Parameters:
  ///   - files: at least two; the first is the one that the others are compared with.
  ///   - names: of each; nil to name them by their paths.
  ///   - parallel: spreads the work over threads.
  /// - Throws: `HDF5Error` or `HeadImpactError` naming the file and what is wrong in it; `ComparisonError`.
  public static func compare(
    _ files: [URL], names: [String]? = nil, _ options: RunComparison.Options,
    parallel: @escaping Bootstrap.ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) throws -> RunComparison {
    let names = try names ?? distinctNames(files.map { $0.standardizedFileURL.path })
    guard names.count == files.count, Set(names).count == names.count else {
      throw ComparisonError("\(names.count) names for \(files.count) files; each file needs one of its own")
    }
    let runs = try zip(files, names).map { file, name in
      try HeadImpactFile.open(file) { try run($0, name: name, options.ranked) }
    }
    let shared = try SharedSamples(runs)
    let scored = try files.indices.map { index in
      let images = try HeadImpactFile.open(files[index]) {
        try Self.images($0, of: shared.samples(of: index), options.ranked)
      }
      return try ScoredHeads(
        name: names[index], layers: runs[index].layers, heads: runs[index].heads, images: images,
        resamples: options.resamples, seed: RunComparison.seed(options.seed, group: shared.groups[index]),
        parallel: parallel)
    }
    return try RunComparison(runs, shared, scored: scored, options, parallel: parallel)
  }

  private static func run(_ reader: HeadImpactReader, name: String, _ ranked: RankedMeasure) throws -> ComparedRun {
    var usable = [Bool](repeating: true, count: reader.samples.count)
    if ranked.isCorrected {
      try forEachSample(reader, ranked) { place, values, chances in
        usable[place] = zip(values, chances ?? []).allSatisfy {
          correctedForChance(Double($0), chance: Double($1)) != nil
        }
      }
    }
    return ComparedRun(
      name: name, layers: reader.table.layers, heads: reader.table.heads, dataset: reader.text("dataset_sha256"),
      samples: zip(reader.samples, usable).filter(\.1).map { ComparedRun.Sample(id: $0.0.id, imageID: $0.0.imageID) },
      attributes: reader.attributes.map { (name: $0.name, value: $0.value.text) })
  }

  /// Each image's sums over the samples, ascending by image.
  private static func images(
    _ reader: HeadImpactReader, of samples: [ComparedRun.Sample], _ ranked: RankedMeasure
  ) throws -> [ImageScores] {
    let ids = Set(samples.map(\.id))
    let imageIDs = Set(samples.map(\.imageID)).sorted()
    let places = Dictionary(uniqueKeysWithValues: imageIDs.enumerated().map { ($1, $0) })
    var images = [ImageScores](
      repeating: ImageScores(heads: reader.table.layers * reader.table.heads), count: imageIDs.count)
    // Samples come in the order of their ids: each image's are added in that order.
    try forEachSample(reader, ranked) { place, values, chances in
      let sample = reader.samples[place]
      guard ids.contains(sample.id), let image = places[sample.imageID] else { return }
      images[image].add(values, chance: ranked.isCorrected ? chances : nil)
    }
    return images
  }

  /// The values of one measure, [layer, head], and what they would be by chance.
  private static func forEachSample(
    _ reader: HeadImpactReader, _ ranked: RankedMeasure,
    _ body: (Int, ArraySlice<Float>, ArraySlice<Float>?) throws -> Void
  ) throws {
    let size = reader.table.layers * reader.table.heads
    func slice(_ values: ArraySlice<Float>) -> ArraySlice<Float> {
      let start = values.startIndex + ranked.measure.index * size
      return values[start..<start + size]
    }
    guard ranked.isCorrected else {
      return try reader.forEachSample { try body($0, slice($1), nil) }
    }
    try reader.forEachSampleWithChance { place, values, chances in
      guard let chances else {
        throw ComparisonError(
          "\(reader.path): Head Impact corrected for chance is not in files of version 1: score again, or compare without "
            + "--corrected")
      }
      try body(place, slice(values), slice(chances))
    }
  }
}

extension HDF5Attribute {
  /// The value for people.
  var text: String {
    switch self {
    case .string(let text): text
    case .strings(let texts): texts.joined(separator: ", ")
    case .integer(let integer): String(integer)
    case .integers(let integers): integers.map(String.init).joined(separator: ", ")
    case .double(let double): "\(double)"
    case .doubles(let doubles): doubles.map { "\($0)" }.joined(separator: ", ")
    }
  }
}
