import Foundation
import HDF5Store
import Testing

/// Everything of an output file that may not depend on how the work was divided, as bits.
struct Results: Equatable {
  private var doubles: [String: [UInt64]] = [:]
  private var floats: [String: [UInt32]] = [:]
  private var integers: [String: [Int64]] = [:]
  private var texts: [String: [String]] = [:]

  init(_ url: URL) throws {
    self = try HDF5File.read(from: url.path) { try Results($0) }
  }

  private init(_ file: HDF5File) throws {
    for name in [
      "hi", "hi_stderr", "hi_chance", "hi_nosink", "sink_share", "hi_interval", "layer_top_frequency", "hi_corrected",
      "hi_corrected_stderr", "hi_corrected_interval",
      "layer_top_frequency_corrected", "p_value", "p_holm", "p_bh", "image_difference", "view_box",
    ] {
      doubles[name] = try file.read(name, as: Double.self).values.map(\.bitPattern)
    }
    let samples = try file.read("sample", as: Int64.self).values
    floats["sample_hi"] = try file.read("sample_hi", as: Float.self).values.map(\.bitPattern)
    floats["sample_chance"] = try file.read("sample_chance", as: Float.self).values.map(\.bitPattern)
    if try file.exists("scores") { floats["scores"] = try file.read("scores", as: Float.self).values.map(\.bitPattern) }
    integers["sample"] = samples
    for name in ["image_id", "category_id", "category", "view_sample", "view_offset", "/skipped/id"] {
      integers[name] = try file.read(name, as: Int64.self).values
    }
    for name in [
      "sequence_tokens", "visual_tokens", "caption_tokens", "mask_tokens", "image_width", "image_height", "view_rows",
      "view_columns", "hi_corrected_samples",
    ] {
      integers[name] = try file.read(name, as: Int32.self).values.map { Int64($0) }
    }
    integers["token_mask"] = try file.read("token_mask", as: UInt8.self).values.map { Int64($0) }
    for name in ["category_name", "description", "file_name", "view_kind", "/skipped/kind", "/skipped/reason"] {
      texts[name] = try file.readStrings(name).values
    }
  }

  /// The parts in which two files differ: shorter to read than the files.
  func differences(from other: Results) -> [String] {
    func keys<V: Equatable>(_ mine: [String: V], _ theirs: [String: V]) -> [String] {
      Set(mine.keys).union(theirs.keys).filter { mine[$0] != theirs[$0] }
    }
    return
      (keys(doubles, other.doubles) + keys(floats, other.floats) + keys(integers, other.integers)
      + keys(texts, other.texts)).sorted()
  }
}

/// A file's values, as numbers.
func values<T: HDF5Element>(_ name: String, as type: T.Type, in url: URL) throws -> [T] {
  try HDF5File.read(from: url.path) { try $0.read(name, as: type).values }
}

/// The saved scores of a sample. - Shape: [layer, head, visual]
func savedScores(of id: Int64, in url: URL) throws -> [Float] {
  try HeadImpactFile.open(url) { reader in
    let sample = try #require(reader.samples.first { $0.id == id })
    return try #require(try reader.scores(of: sample))
  }
}

/// The skipped samples of an output file, by id.
func skipped(in url: URL) throws -> [Int64: String] {
  try HDF5File.read(from: url.path) { file in
    let ids = try file.read("/skipped/id", as: Int64.self).values
    return Dictionary(uniqueKeysWithValues: zip(ids, try file.readStrings("/skipped/reason").values))
  }
}
