import Kernels
import Transformer

extension VisionLanguageModel {
  /// The residual stream's first values of one pass over several sequences that begin with the same rows.
  ///
  /// - Shape: output [layout.rows, C].
  /// - Parameters:
  ///   - sequences: one a segment of the layout; all begin with its prefix.
  ///   - visual: of the image that all are about.
  /// - Returns: the rotary angles of the same rows.
  func embed(
    _ sequences: [TokenSequence], layout: SequenceLayout, visual: VisualFeatures, into output: Tensor
  ) -> [RotaryAngles] {
    let prefix = layout.prefix
    embed(
      sequences[0], rows: layout.cachedPrefix..<prefix, visual: visual, into: output.rows(0..<layout.newPrefix))
    var angles = angles(sequences[0]).rows(layout.cachedPrefix..<prefix)
    var row = layout.newPrefix
    for (sequence, length) in zip(sequences, layout.segments) {
      let range = prefix..<prefix + length
      embed(sequence, rows: range, visual: visual, into: output.rows(row..<row + length))
      angles.append(self.angles(sequence).rows(range))
      row += length
    }
    return angles
  }
}

extension [TokenSequence] {
  /// How many rows all sequences have in common, up to the first row that matters in one of them.
  ///
  /// - Parameter first: a sequence's first row that matters.
  public func sharedPrefix(before first: (TokenSequence) -> Int) -> Int {
    reduce(Int.max) { shared, sequence in
      Swift.min(shared, first(sequence), zip(sequence.ids, self[0].ids).prefix { $0 == $1 }.count)
    }
  }
}
