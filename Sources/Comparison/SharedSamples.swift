/// Which samples of each run are compared.
///
/// Runs over one dataset are compared on the samples that all of them have, so that every difference is one of the same
/// images (a paired comparison). Runs over different datasets, or without a sample in common, are compared as
/// independent ones.
public struct SharedSamples: Sendable, Equatable {
  /// For each run, the number of its group: runs of one group have the same samples.
  public let groups: [Int]
  /// The samples of each group; ascending by image, then by id.
  public let samples: [[ComparedRun.Sample]]

  /// - Parameter runs: at least two.
  /// - Throws: `ComparisonError` naming the run that has no sample, or that puts a sample in another image than others of
  ///   the same dataset do.
  public init(_ runs: [ComparedRun]) throws {
    guard runs.count >= 2 else { throw ComparisonError("\(runs.count) runs given; a comparison needs at least two") }
    if let empty = runs.first(where: { $0.samples.isEmpty }) {
      throw ComparisonError("\(empty.name): has no sample to compare")
    }
    var groups = [Int](repeating: -1, count: runs.count)
    var samples: [[ComparedRun.Sample]] = []
    for first in runs.indices where groups[first] < 0 {
      let members = runs.indices.filter {
        $0 == first || (groups[$0] < 0 && runs[first].dataset != nil && runs[$0].dataset == runs[first].dataset)
      }
      let shared = try Self.shared(members.map { runs[$0] })
      if shared.isEmpty {
        // Other parts of one dataset: each run is a group of its own.
        for member in members {
          groups[member] = samples.count
          samples.append(Self.ordered(runs[member].samples))
        }
      } else {
        for member in members { groups[member] = samples.count }
        samples.append(Self.ordered(shared))
      }
    }
    self.groups = groups
    self.samples = samples
  }

  /// Those of a run, that is of its group.
  public func samples(of run: Int) -> [ComparedRun.Sample] { samples[groups[run]] }

  public func isPaired(_ a: Int, _ b: Int) -> Bool { groups[a] == groups[b] }

  /// How many images a run's samples have.
  public func images(of run: Int) -> Int { Set(samples(of: run).map(\.imageID)).count }

  private static func shared(_ runs: [ComparedRun]) throws -> [ComparedRun.Sample] {
    guard let first = runs.first else { return [] }
    var images = Dictionary(uniqueKeysWithValues: first.samples.map { ($0.id, $0.imageID) })
    for run in runs.dropFirst() {
      var kept: [Int: Int] = [:]
      for sample in run.samples {
        guard let image = images[sample.id] else { continue }
        guard image == sample.imageID else {
          throw ComparisonError(
            "\(run.name): sample \(sample.id) is of image \(sample.imageID), but in \(first.name) of image \(image), "
              + "though both name one dataset; one of the files is damaged")
        }
        kept[sample.id] = image
      }
      images = kept
    }
    return images.map { ComparedRun.Sample(id: $0.key, imageID: $0.value) }
  }

  private static func ordered(_ samples: [ComparedRun.Sample]) -> [ComparedRun.Sample] {
    samples.sorted { ($0.imageID, $0.id) < ($1.imageID, $1.id) }
  }
}
