/// What enters a layer, of one sample: what the samples of its picture have in common, and its own.
///
/// Of layer 0 these are the picture's features alone: embeddings of tokens are looked up again. Of a layer above it, the
/// rows of the residual stream.
struct FrozenStates: Equatable {
  /// The first rows, as all samples of the picture begin with them, and behind them what the image adds to the stream behind
  /// that layer and those above it. As `Backend.bytes` gives them.
  let shared: [UInt8]
  /// The rows that follow, up to the sample's last one.
  let own: [UInt8]

  var byteCount: Int { shared.count + own.count }
}

/// What enters a layer, of some samples of one picture.
struct PictureStates {
  var shared: [UInt8] = []
  /// One a sample.
  var own: [[UInt8]]

  subscript(sample: Int) -> FrozenStates { FrozenStates(shared: shared, own: own[sample]) }
}
