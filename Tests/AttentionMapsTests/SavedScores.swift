import Foundation
import HDF5Store

/// AS of one head in a file of a run with `--save-scores`.
func savedScores(_ file: URL, sample: Int, layer: Int, head: Int) throws -> [Float] {
  try HDF5File.read(from: file.path) { file in
    let scores = try file.read("/scores/\(sample)", as: Float.self)
    let (heads, visual) = (scores.shape[1], scores.shape[2])
    let first = (layer * heads + head) * visual
    return Array(scores.values[first..<first + visual])
  }
}
