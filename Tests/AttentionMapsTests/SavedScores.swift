import Foundation
import HDF5Store
import Testing

/// AS of one head in a file of a run with `--save-scores`.
func savedScores(_ file: URL, sample: Int, layer: Int, head: Int) throws -> [Float] {
  try HeadImpactFile.open(file) { reader in
    let sample = try #require(reader.samples.first { $0.id == sample })
    return try #require(try reader.scores(of: sample, layer: layer, head: head))
  }
}
