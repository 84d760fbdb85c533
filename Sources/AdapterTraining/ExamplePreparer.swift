import COCO
import Foundation
import ImageInput
import Jobs
import MessagePassing
import VisionLanguage

/// Turns a dataset's examples into samples: each rank looks at a part of the pictures' headers, and all come to the same list.
struct ExamplePreparer {
  let world: Communicator
  let model: any VisionLanguageModel
  let prompt: String

  /// Why an example can't be trained on.
  struct Skipped: Codable, Equatable {
    let id: Int64
    let reason: String
  }

  private struct Size: Codable {
    let index: Int
    let width: Int
    let height: Int
    let reason: String?
  }

  /// - Returns: the usable ones, in the order given, and the others.
  func prepare(_ examples: [ImageTextExample], images: URL) throws -> (samples: [TrainingSample], skipped: [Skipped]) {
    let sizes = try readSizes(examples, images: images)
    var samples: [TrainingSample] = []
    var skipped: [Skipped] = []
    for (example, size) in zip(examples, sizes) {
      do {
        if let reason = size.reason { throw JobError(reason) }
        samples.append(try sample(example, width: size.width, height: size.height))
      } catch {
        skipped.append(Skipped(id: example.id, reason: "\(error)"))
      }
    }
    return (samples, skipped)
  }

  private func sample(_ example: ImageTextExample, width: Int, height: Int) throws -> TrainingSample {
    let target = (example.target ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !target.isEmpty else { throw JobError("it has no description or answer to learn") }
    let layout = try model.visualLayout(width: width, height: height)
    let sequence = try model.sequence(
      prompt: example.prompt ?? prompt, description: target, visualTokens: layout.visualTokens)
    guard !sequence.caption.isEmpty else { throw JobError("its text has no token") }
    return TrainingSample(example: example, sequence: sequence, grid: layout.grid)
  }

  /// The sizes of all pictures, by their headers.
  private func readSizes(_ examples: [ImageTextExample], images: URL) throws -> [Size] {
    let mine = stride(from: world.rank, to: examples.count, by: world.worldSize).map { index -> Size in
      let example = examples[index]
      do {
        let size = try JobInputs.imageSize(
          example.fileName, in: images, size: example.size.map { ($0.width, $0.height) })
        return Size(index: index, width: size.width, height: size.height, reason: nil)
      } catch {
        return Size(index: index, width: 0, height: 0, reason: "\(error)")
      }
    }
    let all = try world.allgather(Array(try JSONEncoder().encode(mine)))
    return try all.flatMap { try JSONDecoder().decode([Size].self, from: Data($0)) }.sorted { $0.index < $1.index }
  }
}
