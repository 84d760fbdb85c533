import Foundation
import MessagePassing
import RunSupport

extension UnitJob {
  /// Runs a job of a model: claims the output, reads the data, opens the model, and does the work. Every rank calls it
  /// at the same time.
  ///
  /// - Parameters:
  ///   - generates: the model has to say something.
  ///   - allowsNoChange: accepts an adapter that changes nothing.
  ///   - read: reads the data. Every rank calls it, and it throws on all of them.
  ///   - make: makes the job of the model and the data, on each rank.
  /// - Returns: on rank 0 the summary; nil elsewhere.
  /// - Throws: errors of the inputs or of the run. Under MPI, let it leave
  ///   `Communicator.withWorld`, which stops every rank.
  public static func run<Inputs>(
    _ configuration: some UnitJobConfiguration, on world: Communicator, generates: Bool = false,
    allowsNoChange: Bool, reading read: () throws -> Inputs, making make: (JobModel, Inputs) throws -> Self
  ) throws -> Summary? {
    let claim = try world.claimOutput(configuration)
    defer { claim.release() }
    let threads = try JobDefaults.threads(configuration.threads, on: world)
    let inputs = try read()
    let job = try world.agree {
      try make(
        JobModel(configuration, threads: threads, generates: generates, allowsNoChange: allowsNoChange), inputs)
    }
    return try job.run(configuration, claim: claim, on: world)
  }
}

extension Communicator {
  /// Reads a dataset on rank 0. Every rank calls it at the same time.
  ///
  /// - Parameter parse: makes the dataset of the file's bytes and its name in errors.
  /// - Returns: on rank 0 the dataset, nil elsewhere; on every rank its file's SHA-256.
  /// - Throws: on every rank, if rank 0 can't read it.
  public func readDataset<Dataset>(
    _ file: URL, as parse: (_ json: [UInt8], _ name: String) throws -> Dataset
  ) throws -> (dataset: Dataset?, digest: String) {
    let read = try agree { () -> (dataset: Dataset, digest: String)? in
      guard rank == 0 else { return nil }
      let json = try JobInputs.read(file)
      return (try parse(json, file.path), try JobInputs.digest(json))
    }
    return (read?.dataset, try share(read?.digest))
  }
}
