import Foundation
import HDF5Store
import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Training runs", .serialized)
struct TrainingRuns {}

/// The steps that training.h5 holds.
struct TrainingSteps {
  let loss: [Double]
  let norm: [Double]
  let tokens: [Int]
  let seconds: [Double]

  init(_ folder: URL) throws {
    (loss, norm, tokens, seconds) = try HDF5File.read(from: folder.appendingPathComponent("training.h5").path) { file in
      (
        try file.read("loss", as: Double.self).values, try file.read("gradient_norm", as: Double.self).values,
        try file.read("tokens", as: Int64.self).values.map { Int($0) }, try file.read("seconds", as: Double.self).values
      )
    }
  }
}

/// The bytes of an adapter's weights.
func weights(_ folder: URL) throws -> Data {
  try Data(contentsOf: folder.appendingPathComponent("adapter_model.safetensors"))
}
