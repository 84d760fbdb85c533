import COCO
import Foundation
import ImageInput
import Safetensors
import Tokenization

/// Every reader of a file that comes from elsewhere, by name.
let fuzzTargets: [String: FuzzTarget] = [
  "safetensors": {
    let input = InputInMemory()
    return { bytes in
      try input.set(bytes)
      _ = try SafetensorsFile(contentsOf: input.url)
    }
  }(),
  "dataset": { bytes in
    let dataset = try KeyObjectDataset(json: Data(bytes), name: "input")
    for annotation in dataset.annotations { _ = try dataset.mask(for: annotation).area }
  },
  "image": { bytes in _ = try decodeImage(bytes, name: "input") },
]
