import Foundation
import Kernels
import RunSupport

/// What several runs on the same samples have in common: the states that enter the lowest layer that any of them
/// adapts. The vision tower and the layers below run once for all, and each run continues from there to its own lowest
/// layer.
///
/// They are kept in float32, so that a run that continues from them makes the same adapter, bit for bit, as one run
/// alone.
public final class SharedPrefixes {
  static let elementType = ElementType.f32

  let layer: Int
  let store: PrefixStore
  /// Which rank keeps which picture, whatever run computed it.
  var exchange = PrefixExchange()
  private var inputs: RunIdentity?

  /// - Parameters:
  ///   - layer: the lowest that any of the runs adapts.
  ///   - memoryLimit: of each rank, in bytes.
  ///   - folder: where the file of what memory doesn't hold goes.
  public init(layer: Int, memoryLimit: Int, folder: URL) {
    self.layer = layer
    store = PrefixStore(memoryLimit: memoryLimit, folder: folder)
  }

  /// - Throws: `JobError` if an earlier run had other inputs: its hidden states are of other samples.
  func bind(to inputs: RunIdentity) throws {
    let differences = self.inputs?.differences(from: inputs) ?? []
    guard differences.isEmpty else {
      throw JobError(
        "runs that share computed prefixes have different inputs:\(differences.map { "\n  " + $0 }.joined())")
    }
    self.inputs = inputs
  }
}
