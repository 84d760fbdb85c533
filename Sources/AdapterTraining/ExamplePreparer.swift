import COCO
import Foundation
import IO
import ImageInput
import Jobs
import MessagePassing
import RunSupport
import VisionLanguage

/// Turns a dataset's examples into samples: each rank looks at a part of the pictures' headers, and all come to the
/// same list.
struct ExamplePreparer {
  let world: Communicator
  let model: any VisionLanguageModel
  let prompt: String

  private struct Size: Codable {
    let index: Int
    let width: Int
    let height: Int
    /// nil if it can be used.
    let skip: SkipReason?
  }

  /// - Returns: the usable ones, in the order given, and the others.
  /// - Throws: on every rank, errors of the environment.
  func prepare(_ examples: [ImageTextExample], images: URL) throws -> (
    samples: [TrainingSample], skipped: [SkippedSample]
  ) {
    let names = world.rank == 0 ? Set(examples.map(\.fileName)) : nil
    let pictures = try Pictures(names, in: images, on: world)
    let sizes = try readSizes(examples, pictures)
    var samples: [TrainingSample] = []
    var skipped: [SkippedSample] = []
    for (example, size) in zip(examples, sizes) {
      if let reason = size.skip {
        skipped.append(SkippedSample(id: example.id, reason: reason))
        continue
      }
      do {
        samples.append(try sample(example, width: size.width, height: size.height))
      } catch let fault as any ContentFault {
        skipped.append(SkippedSample(id: example.id, reason: SkipReason(fault is ImageError ? .picture : .text, fault)))
      }
    }
    return (samples, skipped)
  }

  private func sample(_ example: ImageTextExample, width: Int, height: Int) throws -> TrainingSample {
    let target = (example.target ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !target.isEmpty else { throw SampleFault("it has no description or answer to learn") }
    let layout = try model.visualLayout(width: width, height: height)
    let sequence = try model.sequence(prompt: example.prompt ?? prompt, description: target, layout: layout)
    guard !sequence.caption.isEmpty else { throw SampleFault("its text has no tokens") }
    return TrainingSample(example: example, sequence: sequence)
  }

  /// The sizes of all pictures, by their headers.
  private func readSizes(_ examples: [ImageTextExample], _ pictures: Pictures) throws -> [Size] {
    let mine = try world.agree {
      try pictures.working {
        try stride(from: world.rank, to: examples.count, by: world.worldSize).map { index in
          do { return try size(of: examples[index], index: index, pictures) } catch let fault as any ContentFault {
            return Size(index: index, width: 0, height: 0, skip: SkipReason(.picture, fault))
          }
        }
      }
    }
    let all = try world.allgather(Array(try JSONEncoder().encode(mine)))
    return try all.flatMap { try JSONDecoder().decode([Size].self, from: Data($0)) }.sorted { $0.index < $1.index }
  }

  private func size(of example: ImageTextExample, index: Int, _ pictures: Pictures) throws -> Size {
    let size = try pictures.reading(example.fileName) {
      try JobInputs.imageSize(
        example.fileName, in: pictures.folder, size: example.size.map { ($0.width, $0.height) })
    }
    return Size(index: index, width: size.width, height: size.height, skip: nil)
  }
}
