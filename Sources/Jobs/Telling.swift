import COCO
import Foundation
import MessagePassing
import RunSupport

extension Communicator {
  /// Writes sentences that the user should read even with `--quiet`, from rank 0 for all.
  public func tell(_ remarks: [String]) {
    if rank == 0 { Remarks.tell(remarks) }
  }

  /// Reports once, on rank 0, what is left out of a dataset before the run; a strict run stops instead.
  ///
  /// - Parameters:
  ///   - warnings: on rank 0, one line each.
  ///   - refusal: on rank 0 everything that can't be used; nil if there is nothing.
  /// - Throws: on every rank, if the run is strict and something is left out.
  public func tell(_ warnings: [String], of dataset: URL, refusal: String?, isStrict: Bool) throws {
    try agree {
      if rank == 0, isStrict, let refusal { throw JobError("\(dataset.path): \(refusal)") }
    }
    tell(warnings.map { "\(dataset.path): \($0)" })
  }
}

extension SkippedSample {
  /// A record that the dataset's reader left out.
  public init(_ problem: RecordProblem) {
    self.init(id: problem.id ?? -1, reason: SkipReason(.record, "\(problem.place): \(problem.problem)"))
  }
}
