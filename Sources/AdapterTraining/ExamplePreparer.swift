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

  /// What a look at a picture finds.
  private struct Size: Equatable {
    let index: Int
    var width = 0
    var height = 0
    /// nil if it can be used.
    var skip: SkipReason?
  }

  /// - Returns: the usable ones, in the order given, the others, and the pictures of all.
  /// - Throws: on every rank, errors of the environment.
  func prepare(_ examples: [ImageTextExample], images: URL) throws -> (
    samples: [TrainingSample], skipped: [SkippedSample], pictures: Pictures
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
    return (samples, skipped, pictures)
  }

  private func sample(_ example: ImageTextExample, width: Int, height: Int) throws -> TrainingSample {
    let target = (example.target ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !target.isEmpty else { throw SampleFault("it has no description or answer to learn") }
    let layout = try model.visualLayout(width: width, height: height)
    let sequence = try model.sequence(prompt: example.prompt ?? prompt, description: target, layout: layout)
    guard !sequence.caption.isEmpty else { throw SampleFault("its text has no tokens") }
    return TrainingSample(example: example, sequence: sequence, load: layout.load)
  }

  /// The sizes of all pictures, by their headers. A picture that can't be used is looked at again on another host.
  private func readSizes(_ examples: [ImageTextExample], _ pictures: Pictures) throws -> [Size] {
    let mine = try look(
      at: Array(stride(from: world.rank, to: examples.count, by: world.worldSize)), examples, pictures)
    let sizes = try share(mine)
    let hosts = try world.allgather(Array(world.processorName.utf8))
    let doubtful = sizes.filter { $0.skip != nil && Self.checker(of: $0.index, hosts) != nil }
    guard !doubtful.isEmpty else { return sizes }
    let again = doubtful.map(\.index).filter { Self.checker(of: $0, hosts) == world.rank }
    let checks = try share(look(at: again, examples, pictures))
    try world.agree {
      for (first, check) in zip(doubtful, checks) where first.skip?.kind != check.skip?.kind {
        func outcome(_ size: Size, _ rank: Int?) -> String {
          let rank = rank ?? 0
          return "rank \(rank), host \(String(decoding: hosts[rank], as: UTF8.self)) "
            + (size.skip.map { "can't use it: \($0.text)" } ?? "can use it")
        }
        throw JobError(
          "example \(examples[first.index].id): \(outcome(first, first.index % hosts.count)); "
            + "\(outcome(check, Self.checker(of: first.index, hosts))). Their files differ, or a host is broken")
      }
    }
    return sizes
  }

  /// The rank on another host that looks again at a picture; nil if there is only one host.
  private static func checker(of index: Int, _ hosts: [[UInt8]]) -> Int? {
    let first = index % hosts.count
    return (1..<max(1, hosts.count)).lazy.map { (first + $0) % hosts.count }.first { hosts[$0] != hosts[first] }
  }

  /// - Throws: on every rank, errors of the environment.
  private func look(at places: [Int], _ examples: [ImageTextExample], _ pictures: Pictures) throws -> [Size] {
    try world.agree {
      try places.map { index in
        try world.attend()
        return try pictures.working {
          do { return try size(of: examples[index], index: index, pictures) } catch let fault as any ContentFault {
            return Size(index: index, skip: SkipReason(.picture, fault))
          }
        }
      }
    }
  }

  /// What all ranks found, in the order of the examples.
  private func share(_ mine: [Size]) throws -> [Size] {
    var writer = ByteWriter()
    writer.list(mine) { writer, size in
      for number in [size.index, size.width, size.height] { writer.integer(number) }
      writer.optional(size.skip) { writer, skip in
        writer.text(skip.kind.rawValue)
        writer.text(skip.text)
      }
    }
    let all = try world.allgather(writer.bytes)
    return try world.agree {
      try all.flatMap { bytes in
        var reader = ByteReader(bytes)
        return try reader.list { try Self.size(&$0) }
      }.sorted { $0.index < $1.index }
    }
  }

  private static func size(_ reader: inout ByteReader) throws -> Size {
    let (index, width, height) = (try reader.integer(), try reader.integer(), try reader.integer())
    let skip = try reader.optional { reader in
      let name = try reader.text()
      guard let kind = SkipKind(rawValue: name) else {
        throw JobError("a rank's message names \"\(name)\" as a kind of skip")
      }
      return SkipReason(kind, try reader.text())
    }
    return Size(index: index, width: width, height: height, skip: skip)
  }

  private func size(of example: ImageTextExample, index: Int, _ pictures: Pictures) throws -> Size {
    let size = try pictures.reading(example.fileName) {
      try JobInputs.imageSize(
        example.fileName, in: pictures.folder, size: example.size.map { ($0.width, $0.height) })
    }
    return Size(index: index, width: size.width, height: size.height)
  }
}
