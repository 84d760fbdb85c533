import Foundation

/// CIDEr-D (Vedantam, Zitnick, Parikh, 2015) as coco-caption computes it and prints it, as `CIDEr`: n-grams up to 4, sigma 6,
/// document frequencies from the references that are evaluated with.
struct CIDErD: Sendable {
  private static let sigma = 6.0

  /// log(images / images whose references have the n-gram); by n-gram.
  private var weights: [Double] = []
  /// … of an n-gram in no reference.
  private let greatestWeight: Double
  /// Length of each reference's vector; [reference * 4 + order - 1].
  private var norms: [Double] = []

  /// - Parameters:
  ///   - texts: the references of each image.
  ///   - vocabulary: how many n-grams there are.
  init(_ references: NGramCounts, texts: [Range<Int>], vocabulary: Int) {
    var frequencies = [Int32](repeating: 0, count: vocabulary)
    var lastImage = [Int32](repeating: -1, count: vocabulary)
    for (image, texts) in texts.enumerated() {
      for text in texts {
        for place in references.range(text: text) {
          let number = Int(references.numbers[place])
          guard lastImage[number] != Int32(image) else { continue }
          lastImage[number] = Int32(image)
          frequencies[number] += 1
        }
      }
    }
    greatestWeight = log(Double(texts.count))
    weights = frequencies.map { greatestWeight - log(Double(max(1, $0))) }
    norms.reserveCapacity(references.texts * NGramTable.longest)
    for text in 0..<references.texts {
      for order in 1...NGramTable.longest { norms.append(norm(references, references.range(text: text, order: order))) }
    }
  }

  /// The score of one candidate against its image's references.
  ///
  /// - Parameters:
  ///   - candidate: of `candidates`, `length` tokens long.
  ///   - indices: the image's texts among `references`, and `lengths` theirs in tokens.
  func score(
    _ candidates: NGramCounts, candidate: Int, length: Int, references: NGramCounts, indices: Range<Int>, lengths: [Int]
  ) -> Double {
    var sum = 0.0
    for order in 1...NGramTable.longest {
      let grams = candidates.range(text: candidate, order: order)
      let candidateNorm = norm(candidates, grams)
      for (reference, referenceLength) in zip(indices, lengths) {
        let referenceNorm = norms[reference * NGramTable.longest + order - 1]
        var similarity = 0.0
        NGramCounts.common(candidates, grams, references, references.range(text: reference, order: order)) { i, j in
          let weight = weight(candidates.numbers[i])
          let (a, b) = (Double(candidates.counts[i]) * weight, Double(references.counts[j]) * weight)
          similarity += min(a, b) * b
        }
        if candidateNorm != 0, referenceNorm != 0 { similarity /= candidateNorm * referenceNorm }
        // coco-caption's length of a text is its number of bigrams.
        let difference = Double(max(0, length - 1) - max(0, referenceLength - 1))
        sum += similarity * exp(-difference * difference / (2 * Self.sigma * Self.sigma))
      }
    }
    return sum / Double(NGramTable.longest) / Double(indices.count) * 10
  }

  private func norm(_ counts: NGramCounts, _ places: Range<Int>) -> Double {
    var sum = 0.0
    for place in places {
      let value = Double(counts.counts[place]) * weight(counts.numbers[place])
      sum += value * value
    }
    return sum.squareRoot()
  }

  private func weight(_ number: Int32) -> Double {
    Int(number) < weights.count ? weights[Int(number)] : greatestWeight
  }
}
