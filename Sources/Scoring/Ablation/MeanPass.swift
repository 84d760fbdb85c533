import Foundation
import HeadImpact
import IO
import Jobs
import MessagePassing
import RunSupport
import Transformer
import VisionLanguage

/// What heads give on the average over a reference set: the mean over images of an image's mean, one over the rows of
/// image tokens and one over those of the text.
///
/// The images are divided over the ranks by their number, and sums over images are exact, so the bits don't depend on how
/// many ranks there are.
struct MeanPass {
  let reader: DescriptionLossReader
  let model: any VisionLanguageModel
  let layers: Set<Int>
  let prompt: String
  /// The folder of images.
  let images: URL

  /// Every rank calls it at the same time. An image that can't be used is left out.
  ///
  /// - Parameter units: on rank 0; elsewhere ignored.
  /// - Throws: errors of the environment; `JobError` if no image can be used.
  func run(over units: [AblationUnit], on world: Communicator) throws -> HeadMeans {
    var writer = ByteWriter()
    writer.list(units) { writer, unit in writer.bytes(unit.encode()) }
    let bytes = try world.broadcast(world.rank == 0 ? writer.bytes : nil)
    let all = try world.agree {
      var reader = ByteReader(bytes)
      let all = try reader.list { try AblationUnit(decoding: $0.bytes()) }
      try reader.finish()
      return all
    }
    let pictures = try Pictures(all.reduce(into: []) { $0.formUnion($1.fileNames) }, in: images, on: world)
      .readAhead(model.processor)
    let limbs = try world.agree {
      var sums = MeanSums(layers: layers.sorted(), width: model.decoder.layers[0].attention.shape.queryWidth)
      for index in stride(from: world.rank, to: all.count, by: world.worldSize) {
        try add(all[index], in: pictures, to: &sums) {
          try world.attend()
          let next = index + world.worldSize
          if next < all.count { pictures.prepare(all[next].examples[0].fileName) }
        }
      }
      return sums.limbs
    }
    let sums = MeanSums(
      layers: layers.sorted(), width: model.decoder.layers[0].attention.shape.queryWidth,
      limbs: try world.allreduce(limbs, .sum))
    return try world.agree { try sums.means() }
  }

  private func add(
    _ unit: AblationUnit, in pictures: Pictures, to sums: inout MeanSums, poll: @escaping () throws -> Void
  ) throws {
    let texts = try unit.texts(for: model, pictures: pictures, prompt: prompt)
    guard let image = texts.image, !texts.usable.isEmpty else { return }
    do {
      try sums.add(
        reader.headOutputs(image: image, sequences: texts.usable.map(\.sequence), layers: layers, afterLayer: poll))
    } catch is any ContentFault {
      // The run itself says what is wrong with it.
    }
  }
}

/// Exact sums over images of what heads give.
struct MeanSums {
  let layers: [Int]
  let width: Int
  private(set) var images = 0
  /// By layer, of image rows and then of text rows. - Shape: [layers · 2 · H · D].
  private var sums: [ExactSum]

  init(layers: [Int], width: Int) {
    (self.layers, self.width) = (layers, width)
    sums = [ExactSum](repeating: ExactSum(), count: layers.count * 2 * width)
  }

  /// - Parameter limbs: added up over ranks, each as `limbs` gives them.
  init(layers: [Int], width: Int, limbs: [Int64]) {
    precondition(limbs.count == 1 + layers.count * 2 * width * ExactSum.limbCount)
    self.init(layers: layers, width: width)
    images = Int(limbs[0])
    for index in sums.indices {
      let first = 1 + index * ExactSum.limbCount
      sums[index] = ExactSum(limbs: SIMD4(limbs[first], limbs[first + 1], limbs[first + 2], limbs[first + 3]))
    }
  }

  /// The number of images, and the sums' digits.
  var limbs: [Int64] { [Int64(images)] + sums.flatMap { sum in (0..<ExactSum.limbCount).map { sum.limbs[$0] } } }

  /// Adds an image's means. One whose numbers are not finite is left out.
  mutating func add(_ outputs: [Int: HeadOutputSums]) {
    let means = layers.flatMap { layer -> [Double] in
      guard let sums = outputs[layer] else { return [] }
      return sums.image.map { $0 / Double(max(1, sums.imageRows)) }
        + sums.text.map { $0 / Double(max(1, sums.textRows)) }
    }
    guard means.count == sums.count, means.allSatisfy({ $0.magnitude <= ExactSum.greatestMagnitude }) else { return }
    images += 1
    for (index, mean) in means.enumerated() { sums[index].add(mean) }
  }

  /// - Throws: `JobError` if there is no image.
  func means() throws -> HeadMeans {
    guard images > 0 else {
      throw JobError("no image of the reference set can be used, so there are no means to put in the place of heads")
    }
    func mean(_ place: Int) -> [Float] {
      sums[place * width..<(place + 1) * width].map { Float($0.value / Double(images)) }
    }
    return HeadMeans(
      Dictionary(
        uniqueKeysWithValues: layers.enumerated().map { index, layer in
          (layer, HeadMeans.Layer(image: mean(2 * index), text: mean(2 * index + 1)))
        }))
  }
}
